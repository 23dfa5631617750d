package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// outcomes says of every cause what a pool makes of it.
var outcomes = map[health.Cause]struct {
	outage bool // an outage begins with it
	lost   int  // connections that an outage has lost by one of it
}{
	health.Unknown:          {false, 1},
	health.KeepAliveTimeout: {true, 1},
	health.SendTimeout:      {true, 1},
	health.PeerStalled:      {false, 1},
	health.Reset:            {false, 1},
	health.PeerClosed:       {false, 1},
	health.Unreachable:      {true, 1},
	health.HeartbeatFailed:  {true, 1},
	health.Aborted:          {false, 1}, // a silence of nobody
	health.LocalClosed:      {false, 0}, // its user's own doing
}

func TestEveryCauseHasItsOutcome(t *testing.T) {
	t.Parallel()
	for _, cause := range causes {
		want, decided := outcomes[cause]
		if !decided {
			t.Errorf("nobody has decided what a pool makes of %v", cause)
		}
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var outage Outage
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.Observer = 1, &Observer{OutageBegin: func(o Outage) { outage = o }}
				})
				synctest.Wait()
				e.setRefuse(errRefused)
				e.all()[0].kill(cause)
				began := time.Now()
				time.Sleep(time.Minute)
				synctest.Wait()
				byDeath := outage.Detected.Equal(began) && outage.Dial == nil
				if byDeath != want.outage || outage.Lost != want.lost {
					t.Errorf("%+v", outage)
				}
				p.Close()
			})
		})
	}
}
