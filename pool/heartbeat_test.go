package pool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// gate is a Check that lets a test see and delay what is checked.
type gate struct {
	entered chan *fakeConn // the connections that are being checked
	takes   time.Duration

	mu    sync.Mutex // guards what follows
	under map[*fakeConn]int
	most  int // checks at a time
	last  map[*fakeConn]time.Time
	pause time.Duration // the longest between two checks of a connection
	told  []HeartbeatInfo
}

func newGate(takes time.Duration) *gate {
	return &gate{
		entered: make(chan *fakeConn, 10_000), takes: takes,
		under: map[*fakeConn]int{}, last: map[*fakeConn]time.Time{},
	}
}

func (g *gate) check(ctx context.Context, c *fakeConn) error {
	g.enter(c)
	defer g.leave(c)
	g.entered <- c
	select {
	case <-time.After(g.takes):
		return c.answer(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) enter(c *fakeConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under[c]++
	g.most = max(g.most, len(g.under))
	if last, ok := g.last[c]; ok {
		g.pause = max(g.pause, time.Since(last))
	}
}

func (g *gate) leave(c *fakeConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.under, c)
	g.last[c] = time.Now()
}

func (g *gate) heard() []HeartbeatInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told
}

// newBeating is a pool of as many connections at most, half a minute between
// heartbeats, and 10 s for each.
func newBeating(t *testing.T, e *endpoint, g *gate, conns int, change func(*Config[*fakeConn])) *Pool[*fakeConn] {
	t.Helper()
	return newPool(t, e, func(c *Config[*fakeConn]) {
		c.MaxConns, c.MinConns = conns, conns
		c.Check, c.CheckTimeout, c.Heartbeat = g.check, 10*time.Second, 30*time.Second
		c.Observer = &Observer{Heartbeat: func(i HeartbeatInfo) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.told = append(g.told, i)
		}}
		if change != nil {
			change(c)
		}
	})
}

// took fails the test unless as much time has passed since start.
func took(t *testing.T, what string, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("%s after %v, want %v", what, d, want)
	}
}

func TestAnAcquireThatMeetsAProbeTakesAnotherConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, g := new(endpoint), newGate(8*time.Second)
		p := newBeating(t, e, g, 2, nil)
		other := acquire(t, p)
		time.Sleep(time.Second)
		probed := <-g.entered
		other.Release()
		start := time.Now()
		first := acquire(t, p)
		took(t, "the other", start, 0)
		second := acquire(t, p) // has to wait for the probe
		took(t, "the probed one", start, 8*time.Second)
		if first.Value() == probed || second.Value() != probed {
			t.Error("not the ones that were expected")
		}
		if dials, _, _ := e.counts(); dials != 2 {
			t.Errorf("%d dials", dials)
		}
		first.Release()
		second.Release()
		if told := g.heard(); len(told) != 1 || told[0].Err != nil || told[0].Duration != 8*time.Second {
			t.Errorf("told %+v", told)
		}
	})
}

func TestAnAcquireThatMeetsNothingButAProbeDials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, g := new(endpoint), newGate(8*time.Second)
		p := newBeating(t, e, g, 2, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		probed := <-g.entered
		start := time.Now()
		c := acquire(t, p)
		took(t, "another", start, 0)
		if c.Value() == probed {
			t.Error("it is being probed")
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.InUse != 1 {
			t.Errorf("%+v", st)
		}
		if again := acquire(t, p); again.Value() != probed {
			t.Error("the probed one has not come back")
		}
	})
}

func TestWhoWaitsForAHungProbeGetsAConnectionInItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, g := new(endpoint), newGate(time.Hour)
		p := newBeating(t, e, g, 1, nil)
		hung := <-g.entered
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				c := acquire(t, p)
				if d := time.Since(start); d < 10*time.Second || d > 10*time.Second+2*firstPause { // the first pause of an outage
					t.Errorf("a new one after %v", d)
				}
				c.Release()
			})
		}
		wg.Wait()
		synctest.Wait()
		st := p.Stats()
		if !hung.closed.Load() || st.Conns != 1 || st.Recycled[ReasonSuspect] != 1 || st.Deaths[health.HeartbeatFailed] != 1 {
			t.Errorf("%+v", st)
		}
		told := g.heard()
		if len(told) != 1 || told[0].Duration != 10*time.Second || health.Classify(told[0].Err) != health.HeartbeatFailed {
			t.Errorf("told %+v", told)
		}
		if _, _, most := e.counts(); most != 1 {
			t.Errorf("%d open at a time", most)
		}
	})
}

// Each is done while a probe is under way, with and without a caller that has
// met it.
func TestAProbeUnderWayEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	type pool = *Pool[*fakeConn]
	for name, test := range map[string]struct {
		end    func(t *testing.T, p pool, c *fakeConn)
		reason Reason
		after  time.Duration
		told   int
	}{
		"a death":    {func(_ *testing.T, _ pool, c *fakeConn) { c.kill(health.Reset) }, ReasonDead, 0, 1},
		"a shutdown": {func(_ *testing.T, p pool, _ *fakeConn) { p.Close() }, ReasonShutdown, 0, 0},
		"a shutdown that waits": {func(t *testing.T, p pool, _ *fakeConn) {
			if n, err := p.Shutdown(t.Context()); n != 0 || err != nil {
				t.Errorf("%d aborted, %v", n, err)
			}
		}, ReasonShutdown, 0, 0},
		"an invalidation": {func(_ *testing.T, p pool, _ *fakeConn) { p.Invalidate("test") }, ReasonInvalid, 8 * time.Second, 1},
	} {
		for _, met := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, met: %v", name, met), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					e, g := new(endpoint), newGate(8*time.Second)
					p := newBeating(t, e, g, 1, nil)
					c := <-g.entered
					if met {
						go func() {
							if c, err := p.Acquire(t.Context()); err == nil {
								c.Release()
							}
						}()
						synctest.Wait()
					}
					start := time.Now()
					test.end(t, p, c)
					took(t, "returned", start, 0)
					time.Sleep(test.after + roundEvery)
					synctest.Wait()
					st := p.Stats()
					if !c.closed.Load() || st.Recycled[test.reason] != 1 || st.Recycled[ReasonSuspect] != 0 || st.Deaths[health.HeartbeatFailed] != 0 {
						t.Errorf("closed: %v, %+v", c.closed.Load(), st)
					}
					if told := g.heard(); len(told) != test.told {
						t.Errorf("told %+v", told)
					}
				})
			})
		}
	}
}

func TestWhatHasLeftThePoolIsNotProbed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(Conn[*fakeConn]){
		"by Hijack": func(c Conn[*fakeConn]) { c.Hijack() },
		"by Close":  func(c Conn[*fakeConn]) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, g := new(endpoint), newGate(time.Second)
				p := newBeating(t, e, g, 1, func(c *Config[*fakeConn]) { c.MinConns = 0 })
				for range 20 {
					c := acquire(t, p)
					time.Sleep(time.Minute) // a probe comes due meanwhile
					c.Release()
					c = acquire(t, p)
					v := c.Value()
					start := time.Now()
					end(c)
					took(t, "returned", start, 0)
					time.Sleep(10 * time.Minute)
					v.Close()
				}
				if n := len(g.entered); n != 0 {
					t.Errorf("%d probes", n)
				}
			})
		})
	}
}

func TestACheckOfAnyKindPutsTheHeartbeatOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, g := new(endpoint), newGate(0)
		newBeating(t, e, g, 2, nil)
		synctest.Wait()
		time.Sleep(20 * time.Second)
		e.all()[0].kill(health.KeepAliveTimeout) // the other is in doubt, and checked
		checked := time.Now()
		if c := <-g.entered; c != e.all()[1] || time.Since(checked) > roundEvery {
			t.Fatalf("%d checked after %v", c.id, time.Since(checked))
		}
		for c := range g.entered {
			if c != e.all()[1] {
				continue
			}
			if d := time.Since(checked); d < 27*time.Second || d > 33*time.Second+roundEvery {
				t.Errorf("the next one after %v", d)
			}
			return
		}
	})
}

func TestAThousandIdleConnectionsAreProbedInTimeBy64AtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const conns, check = 1000, 10 * time.Millisecond
		e, g := new(endpoint), newGate(check)
		newBeating(t, e, g, conns, func(c *Config[*fakeConn]) { c.MaxDials, c.Heartbeat = conns, time.Second })
		time.Sleep(6 * time.Second)
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		turns := time.Duration(conns/64+1) * check // for those that come due together
		if g.most > 64 || len(g.last) != conns || g.pause > 1100*time.Millisecond+turns {
			t.Errorf("%d at a time, %d probed, at most %v apart", g.most, len(g.last), g.pause)
		}
		for c, last := range g.last {
			if d := time.Since(last); d > 1100*time.Millisecond+turns {
				t.Errorf("%d not probed for %v", c.id, d)
			}
		}
	})
}

func TestASuspectConnectionIsNotProbedButPutAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, g := new(endpoint), newGate(0)
		p := newBeating(t, e, g, 1, func(c *Config[*fakeConn]) { c.Heartbeat = roundEvery / 10 })
		<-g.entered
		synctest.Wait()
		e.all()[0].suspect.Store(true)
		time.Sleep(roundEvery / 5) // a heartbeat comes due, and no round
		synctest.Wait()
		if n, st := len(g.entered), p.Stats(); n != 0 || st.Quarantined != 1 {
			t.Errorf("%d probes, %+v", n, st)
		}
		e.all()[0].suspect.Store(false)
		<-g.entered // checked, and back
	})
}

// What a probe does while a caller is on his way to park its slot.
func TestNoSlotIsParkedThatNobodyWouldTakeBack(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(p *Pool[*fakeConn], s *slot[*fakeConn]) (locked bool){
		"the probe has passed": func(*Pool[*fakeConn], *slot[*fakeConn]) bool { return true },
		"the connection has died": func(p *Pool[*fakeConn], s *slot[*fakeConn]) bool {
			s.pulse.TryLock() // as a probe that is being ended
			s.value.kill(health.Reset)
			return false
		},
		"the pool was closed": func(p *Pool[*fakeConn], s *slot[*fakeConn]) bool {
			s.pulse.TryLock()
			p.shutDown()
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newBeating(t, e, newGate(0), 1, nil)
				synctest.Wait()
				s := p.idle.pop()
				locked := meanwhile(p, s)
				if got := p.park(s); got != locked || s.is(parked) {
					t.Errorf("locked: %v, parked: %v", got, s.is(parked))
				}
				if locked {
					p.putIdle(s, unused)
				}
				synctest.Wait()
				if !locked != s.value.closed.Load() {
					t.Errorf("closed: %v", !locked)
				}
				p.Close() // waits for every place
			})
		})
	}
}
