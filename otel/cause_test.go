package otelhale

import (
	"regexp"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// fates says of every cause how it is recorded.
var fates = map[health.Cause]struct {
	death  bool // counted as one
	silent bool // it has a detection duration
	outage bool // an outage begins with it
}{
	health.Unknown:          {death: true},
	health.KeepAliveTimeout: {death: true, silent: true, outage: true},
	health.SendTimeout:      {death: true, silent: true, outage: true},
	health.PeerStalled:      {death: true, silent: true},
	health.Reset:            {death: true},
	health.PeerClosed:       {death: true},
	health.Unreachable:      {death: true, silent: true, outage: true},
	health.HeartbeatFailed:  {death: true, silent: true, outage: true},
	health.LocalClosed:      {},
	health.Aborted:          {death: true},
}

func TestEveryCauseIsRecordedAsDecided(t *testing.T) {
	t.Parallel()
	for cause := range health.Causes() {
		want, decided := fates[cause]
		if !decided {
			t.Errorf("nobody has decided how %v is recorded", cause)
		}
		r := record(t)
		orders, err := r.telemetry.Pool("orders")
		if err != nil {
			t.Fatal(err)
		}
		o := orders.Observer()
		o.Evict(pool.EvictInfo{Reason: pool.ReasonDead, Err: &health.DeadError{Cause: cause, Silence: time.Second, Detected: time.Now()}})
		o.Closed()
		for name, recorded := range map[string]bool{"hale.deaths": want.death, "hale.detection.duration": want.silent} {
			ps := points(r.metrics()[name])
			if len(ps) > 0 != recorded || recorded && ps[0].attrs != "hale.cause="+cause.String()+" hale.pool.name=orders" {
				t.Errorf("%v: %s is %+v", cause, name, ps)
			}
		}
	}
}

// isDocumented reports whether the package's documentation has a word.
func isDocumented(t *testing.T, word string) bool {
	return regexp.MustCompile(`(?m)^//.*[ \t]` + word + `[,.]?( |$)`).MatchString(packageDoc(t))
}

func TestClosedListsAreDocumented(t *testing.T) {
	t.Parallel()
	for c := range health.Causes() {
		if !isDocumented(t, c.String()) {
			t.Errorf("the documentation does not have the cause %v", c)
		}
	}
	for r := range pool.Reasons() {
		if !isDocumented(t, string(r)) {
			t.Errorf("the documentation does not have the reason %s", r)
		}
	}
	for _, e := range errorTypes {
		if !isDocumented(t, e) {
			t.Errorf("the documentation does not have the error type %s", e)
		}
	}
}
