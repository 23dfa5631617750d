package otelhale

import (
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// everything records each metric at least once.
func everything(t *testing.T, r *recorder) {
	t.Helper()
	outageThatHeals(t, r, health.KeepAliveTimeout)
	other, err := r.telemetry.Pool("other")
	if err != nil {
		t.Fatal(err)
	}
	other.Observer().Heartbeat(pool.HeartbeatInfo{})
	other.Observer().Heartbeat(pool.HeartbeatInfo{Err: context.DeadlineExceeded})
	other.Observer().AcquireDone(t.Context(), pool.AcquireDoneInfo{Wait: time.Second, Err: context.DeadlineExceeded})
	many, err := r.telemetry.Cluster("many")
	if err != nil {
		t.Fatal(err)
	}
	if err := many.Register(new(fixedStats)); err != nil {
		t.Fatal(err)
	}
	many.Observer().Ejected(cluster.EjectedInfo{Why: "slow"})
	many.Observer().FailoverBegin(cluster.FailoverInfo{Cause: "outage"})
	many.Observer().FailoverEnd(cluster.FailoverInfo{Cause: "outage"})
	alone := r.telemetry.Dialer()
	alone.Suspect(hale.SuspectInfo{})
	alone.Recovered(hale.RecoveredInfo{})
	sample := hale.SampledInfo{Info: health.Info{RTT: 20 * time.Millisecond, Unacked: 3000}, Sent: 1500, Retransmitted: 500, Acked: 7}
	alone.Sampled(sample)
	sample.Acked, sample.Info.Probes = 0, 2 // the round trip is that of before
	alone.Sampled(sample)
	promised := &health.DeadError{Cause: health.SendTimeout, Silence: 6 * time.Second, Promised: 5 * time.Second}
	alone.Dead(hale.DeadInfo{Err: promised})
}

// kinds lists units and kinds of metrics by name.
func kinds(all map[string]metricdata.Metrics) map[string]string {
	got := make(map[string]string)
	for name, m := range all {
		kind := "histogram"
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			kind = map[bool]string{true: "counter", false: "gauge"}[sum.IsMonotonic]
		}
		got[name] = m.Unit + " " + kind
	}
	return got
}

func TestMetricsHaveTheirNamesUnitsAndKinds(t *testing.T) {
	own := map[string]string{
		"hale.connect.duration":             "s histogram",
		"hale.connection.duration":          "s histogram",
		"hale.detection.duration":           "s histogram",
		"hale.acquire.duration":             "s histogram",
		"hale.outage.duration":              "s histogram",
		"hale.reconnect.duration":           "s histogram",
		"hale.deaths":                       "{death} counter",
		"hale.suspects":                     "{suspicion} counter",
		"hale.recoveries":                   "{recovery} counter",
		"hale.reconnect.attempts":           "{attempt} counter",
		"hale.heartbeats":                   "{heartbeat} counter",
		"hale.acquires":                     "{acquire} counter",
		"hale.connection.count":             "{connection} gauge",
		"hale.connection.limit":             "{connection} gauge",
		"hale.connection.pending_acquires":  "{acquire} gauge",
		"hale.outage.active":                "{outage} gauge",
		"hale.endpoint.count":               "{endpoint} gauge",
		"hale.ejections":                    "{ejection} counter",
		"hale.retries":                      "{retry} counter",
		"hale.resolve.failures":             "{failure} counter",
		"hale.failover.duration":            "s histogram",
		"hale.detection.share":              "1 histogram",
		"hale.detections.late":              "{death} counter",
		"hale.connection.rtt":               "s histogram",
		"hale.connection.unanswered_probes": "{probe} histogram",
		"hale.connection.in_flight":         "By histogram",
		"hale.connection.sent":              "By counter",
		"hale.connection.retransmitted":     "By counter",
		"hale.pool.unmonitored":             "{pool} gauge",
	}
	both := map[string]string{
		dbconv.ClientConnectionCount{}.Name():           dbconv.ClientConnectionCount{}.Unit() + " gauge",
		dbconv.ClientConnectionIdleMax{}.Name():         dbconv.ClientConnectionIdleMax{}.Unit() + " gauge",
		dbconv.ClientConnectionMax{}.Name():             dbconv.ClientConnectionMax{}.Unit() + " gauge",
		dbconv.ClientConnectionPendingRequests{}.Name(): dbconv.ClientConnectionPendingRequests{}.Unit() + " gauge",
		dbconv.ClientConnectionTimeouts{}.Name():        dbconv.ClientConnectionTimeouts{}.Unit() + " counter",
		dbconv.ClientConnectionCreateTime{}.Name():      dbconv.ClientConnectionCreateTime{}.Unit() + " histogram",
		dbconv.ClientConnectionWaitTime{}.Name():        dbconv.ClientConnectionWaitTime{}.Unit() + " histogram",
	}
	for name, kind := range own {
		both[name] = kind
	}
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		everything(t, r)
		if diff := cmp.Diff(own, kinds(r.metrics())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := record(t, WithDBClientMetrics())
		everything(t, r)
		if diff := cmp.Diff(both, kinds(r.metrics())); diff != "" {
			t.Errorf("with those of the conventions (-want +got):\n%s", diff)
		}
	})
}

func TestMetricsAreDocumented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		everything(t, r)
		for name := range r.metrics() {
			if !regexp.MustCompile(`(?m)^//\t(hale\.\w+, )*` + regexp.QuoteMeta(name) + `\b`).MatchString(packageDoc(t)) {
				t.Errorf("%s is not in the package's documentation", name)
			}
		}
	})
}

// Whoever looks for an increase does not see the first event of a series that
// is born with it.
func TestCountersBeginAtZeroWithThePool(t *testing.T) {
	for name, test := range map[string]struct {
		options []Option
		deaths  int // series of them
	}{
		"for all peers": {nil, deathsKnown()},
		"for each peer": {[]Option{WithPeerAddress()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, test.options...)
			orders, err := r.telemetry.Pool("orders")
			if err != nil {
				t.Fatal(err)
			}
			defer orders.Close()
			if err := orders.Register(noPool{}); err != nil {
				t.Fatal(err)
			}
			for _, outcome := range []string{"passed", "failed"} {
				if v := r.series("hale.heartbeats", "hale.heartbeat.outcome="+outcome+" hale.pool.name=orders").value; v != 0 {
					t.Errorf("%v heartbeats %s", v, outcome)
				}
			}
			all := points(r.metrics()["hale.deaths"])
			for _, p := range all {
				if p.value != 0 {
					t.Errorf("%+v", p)
				}
			}
			if len(all) != test.deaths {
				t.Errorf("%d series of deaths: %+v", len(all), all)
			}
		})
	}
}

func TestADetectionIsAShareOfWhatWasPromised(t *testing.T) {
	for _, test := range []struct {
		cause             health.Cause
		silence, promised time.Duration
		share             float64 // 0 is none
		late              float64
	}{
		{health.KeepAliveTimeout, 3 * time.Second, 5 * time.Second, 0.6, 0},
		{health.SendTimeout, 5 * time.Second, 5 * time.Second, 1, 0},
		{health.Unreachable, 10 * time.Second, 5 * time.Second, 2, 1},
		{health.KeepAliveTimeout, 3 * time.Second, 0, 0, 0},
		{health.HeartbeatFailed, 10 * time.Second, 5 * time.Second, 0, 0},
		{health.PeerStalled, 10 * time.Second, 5 * time.Second, 0, 0},
		{health.Reset, 10 * time.Second, 5 * time.Second, 0, 0},
	} {
		r := record(t)
		r.telemetry.Dialer().Dead(hale.DeadInfo{Err: &health.DeadError{Cause: test.cause, Silence: test.silence, Promised: test.promised}})
		shares, late := points(r.metrics()["hale.detection.share"]), points(r.metrics()["hale.detections.late"])
		if (len(shares) == 1) != (test.share > 0) || len(shares) == 1 && shares[0].value != test.share {
			t.Errorf("%+v: %+v", test, shares)
		}
		if (len(late) == 1) != (test.late > 0) || len(late) == 1 && late[0].value != test.late {
			t.Errorf("%+v: late %+v", test, late)
		}
	}
}

// deathsKnown is how many causes a death may have, unknown left out.
func deathsKnown() (n int) {
	for cause, fate := range fates {
		if fate.death && cause != health.Unknown {
			n++
		}
	}
	return n
}

// noPool has nothing to read.
type noPool struct{}

func (noPool) Stats() pool.Stats { return pool.Stats{} }

func TestTheNumbersOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, WithDBClientMetrics())
		everything(t, r)
		for _, want := range []struct {
			name, attrs string
			value       float64 // of a histogram the sum
			count       uint64
		}{
			{"hale.connect.duration", "hale.pool.name=orders", 0.02, 4},
			{"hale.connect.duration", "error.type=connection_refused hale.pool.name=orders", 0.03, 3},
			{"hale.connection.duration", "hale.cause=keepalive_timeout hale.close.reason=dead hale.pool.name=orders", 120, 2},
			{"hale.deaths", "hale.cause=keepalive_timeout hale.pool.name=orders", 2, 0},
			{"hale.detection.duration", "hale.cause=keepalive_timeout hale.pool.name=orders", 6, 2},
			{"hale.outage.duration", "error.type=keepalive_timeout hale.pool.name=orders", 7.05, 1},
			{"hale.reconnect.duration", "hale.pool.name=orders", 3.04, 1},
			{"hale.reconnect.attempts", "hale.pool.name=orders", 1, 0},
			{"hale.reconnect.attempts", "error.type=connection_refused hale.pool.name=orders", 3, 0},
			{"hale.acquire.duration", "hale.pool.name=orders", 4.04, 1},
			{"hale.acquire.duration", "error.type=timeout hale.pool.name=other", 1, 1},
			{"hale.acquires", "hale.acquire.waited=false hale.pool.name=orders", 1, 0},
			{"hale.acquires", "hale.acquire.waited=true hale.pool.name=orders", 1, 0},
			{"hale.heartbeats", "hale.heartbeat.outcome=passed hale.pool.name=other", 1, 0},
			{"hale.heartbeats", "hale.heartbeat.outcome=failed hale.pool.name=other", 1, 0},
			{"hale.suspects", "", 1, 0},
			{"hale.recoveries", "", 1, 0},
			{"hale.connection.count", "hale.connection.state=idle hale.pool.name=orders", 2, 0},
			{"hale.connection.count", "hale.connection.state=used hale.pool.name=orders", 0, 0},
			{"hale.connection.count", "hale.connection.state=quarantined hale.pool.name=orders", 0, 0},
			{"hale.connection.limit", "hale.pool.name=orders", 2, 0},
			{"hale.connection.pending_acquires", "hale.pool.name=orders", 0, 0},
			{"hale.outage.active", "hale.pool.name=orders", 0, 0},
			{"hale.pool.unmonitored", "hale.pool.name=orders", 0, 0},
			{"hale.connection.rtt", "", 0.02, 1},
			{"hale.connection.unanswered_probes", "", 2, 2},
			{"hale.connection.in_flight", "", 6000, 2},
			{"hale.connection.sent", "", 3000, 0},
			{"hale.connection.retransmitted", "", 1000, 0},
			{"hale.connection.sent", "hale.pool.name=orders", 0, 0},
			{"hale.connection.retransmitted", "hale.pool.name=orders", 0, 0},
			{"hale.detection.share", "hale.cause=send_timeout", 1.2, 1},
			{"hale.detections.late", "hale.cause=send_timeout", 1, 0},
			{"hale.detections.late", "hale.cause=keepalive_timeout hale.pool.name=orders", 0, 0},

			{"db.client.connection.count", "db.client.connection.pool.name=orders db.client.connection.state=idle", 2, 0},
			{"db.client.connection.count", "db.client.connection.pool.name=orders db.client.connection.state=used", 0, 0},
			{"db.client.connection.max", "db.client.connection.pool.name=orders", 2, 0},
			{"db.client.connection.idle.max", "db.client.connection.pool.name=orders", 2, 0},
			{"db.client.connection.pending_requests", "db.client.connection.pool.name=orders", 0, 0},
			{"db.client.connection.timeouts", "db.client.connection.pool.name=other", 1, 0},
			{"db.client.connection.create_time", "db.client.connection.pool.name=orders", 0.02, 4},
			{"db.client.connection.wait_time", "db.client.connection.pool.name=orders", 4.04, 1},
		} {
			got := r.series(want.name, want.attrs)
			if diff := got.value - want.value; diff > 0.011 || diff < -0.011 || got.count != want.count {
				t.Errorf("%s{%s} is %v (%d), want %v (%d)", want.name, want.attrs, got.value, got.count, want.value, want.count)
			}
		}
	})
}

func TestExemplarsLeadToTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		outageThatHeals(t, r, health.KeepAliveTimeout)
		want := r.one("outage orders").SpanContext.TraceID()
		for name, attrs := range map[string]string{
			"hale.deaths":             "hale.cause=keepalive_timeout hale.pool.name=orders",
			"hale.detection.duration": "hale.cause=keepalive_timeout hale.pool.name=orders",
			"hale.outage.duration":    "error.type=keepalive_timeout hale.pool.name=orders",
			"hale.reconnect.duration": "hale.pool.name=orders",
			"hale.reconnect.attempts": "error.type=connection_refused hale.pool.name=orders",
			"hale.connect.duration":   "error.type=connection_refused hale.pool.name=orders",
		} {
			found := false
			for _, id := range r.series(name, attrs).traced {
				found = found || string(id) == string(want[:])
			}
			if !found {
				t.Errorf("%s has no exemplar in the outage's trace", name)
			}
		}
	})
}

func TestDetectionsOfTwoHoursHaveTheirBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		outageThatHeals(t, r, health.KeepAliveTimeout)
		bounds := r.series("hale.detection.duration", "hale.cause=keepalive_timeout hale.pool.name=orders").bounds
		if bounds[len(bounds)-1] != (2 * time.Hour).Seconds() {
			t.Errorf("%v", bounds)
		}
	})
}

func TestTheGaugesGoWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, WithDBClientMetrics())
		p, orders := newPool(t, r.telemetry, new(endpoint), nil)
		defer acquire(t, t.Context(), p).Release()
		if n := r.series("hale.connection.count", "hale.connection.state=used hale.pool.name=orders").value; n != 1 {
			t.Errorf("%v in use", n)
		}
		if err := orders.Register(p); err == nil {
			t.Error("registered twice")
		}
		p.Close()
		for name := range r.metrics() {
			for _, gauge := range []string{"hale.connection.count", "hale.connection.limit", "hale.acquires", "db.client.connection.count"} {
				if name == gauge {
					t.Errorf("%s is still there", name)
				}
			}
		}
		if err := orders.Register(p); err == nil {
			t.Error("registered after the end")
		}
	})
}

func TestAPoolWhoseMonitorIsBlindSaysSo(t *testing.T) {
	r := record(t)
	for name, blind := range map[string]bool{"orders": true, "users": false} {
		p, err := r.telemetry.Pool(name)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Register(monitored{!blind}); err != nil {
			t.Fatal(err)
		}
	}
	if one, none := r.series("hale.pool.unmonitored", "hale.pool.name=orders").value, r.series("hale.pool.unmonitored", "hale.pool.name=users").value; one != 1 || none != 0 {
		t.Errorf("%v, %v", one, none)
	}
}

// monitored has nothing else to read.
type monitored struct{ is bool }

func (m monitored) Stats() pool.Stats { return pool.Stats{Unmonitored: !m.is} }

func TestEveryReasonHasItsSeries(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	for reason := range pool.Reasons() {
		causes, decided := causesOf[reason]
		if !decided {
			t.Errorf("nobody has decided whether %s has causes", reason)
		}
		if !causes {
			orders.Observer().Evict(pool.EvictInfo{Reason: reason, Age: time.Second})
			r.series("hale.connection.duration", "hale.close.reason="+string(reason)+" hale.pool.name=orders")
			continue
		}
		for c := range health.Causes() {
			orders.Observer().Evict(pool.EvictInfo{Reason: reason, Err: &health.DeadError{Cause: c}})
			r.series("hale.connection.duration", "hale.cause="+c.String()+" hale.close.reason="+string(reason)+" hale.pool.name=orders")
		}
	}
}

// causesOf says of every reason whether it comes with a cause.
var causesOf = map[pool.Reason]bool{
	pool.ReasonDead:     true,
	pool.ReasonSuspect:  true,
	pool.ReasonFault:    false,
	pool.ReasonUnread:   false,
	pool.ReasonLifetime: false,
	pool.ReasonIdle:     false,
	pool.ReasonSurplus:  false,
	pool.ReasonInvalid:  false,
	pool.ReasonMoved:    false,
	pool.ReasonClosed:   false,
	pool.ReasonHijacked: false,
	pool.ReasonShutdown: false,
}

// The attributes that are not hale's are the conventions' own constants.
func TestNamesOfTheConventionsAreTheirs(t *testing.T) {
	for _, attrs := range [][]string{
		{string(semconv.ServerAddressKey), "server.address"},
		{string(semconv.ServerPortKey), "server.port"},
		{string(semconv.NetworkPeerAddressKey), "network.peer.address"},
		{string(semconv.NetworkPeerPortKey), "network.peer.port"},
		{string(semconv.NetworkTransportKey), "network.transport"},
		{string(semconv.NetworkTypeKey), "network.type"},
		{string(semconv.ErrorTypeKey), "error.type"},
	} {
		if attrs[0] != attrs[1] {
			t.Errorf("%s is %s by now", attrs[1], attrs[0])
		}
	}
}
