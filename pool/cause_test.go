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

// TestADeathIsOneWhoeverIsQuicker has the watch find a death, and the caller, whose call
// fails with it, give the connection back in its way before the watch has told the pool.
func TestADeathIsOneWhoeverIsQuicker(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(Conn[*fakeConn]){
		"closes":   Conn[*fakeConn].Close,
		"releases": Conn[*fakeConn].Release,
		"hijacks":  func(c Conn[*fakeConn]) { c.Hijack().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var evicted []EvictInfo
				began := 0
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.Observer = &Observer{
						Evict:       func(i EvictInfo) { evicted = append(evicted, i) },
						OutageBegin: func(Outage) { began++ },
					}
				})
				held := acquire(t, p)
				conn := held.Value()
				dead := &health.DeadError{Cause: health.KeepAliveTimeout, Op: "watch", Silence: time.Second, Detected: time.Now()}
				conn.mu.Lock()
				conn.dead = dead
				conn.mu.Unlock()
				give(held)
				for _, call := range conn.watch {
					call.Fire(dead)
				}
				synctest.Wait()
				if len(evicted) != 1 || evicted[0].Reason != ReasonDead || evicted[0].Err != dead || began != 1 {
					t.Errorf("%d outages, %+v", began, evicted)
				}
				if s := p.Stats(); s.Deaths[health.KeepAliveTimeout] != 1 {
					t.Errorf("%+v", s.Deaths)
				}
			})
		})
	}
}
