package pool

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestIdleConnectionsGoButThoseThatTheMinimaNeed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ min, minIdle, want int }{
		"none":                  {0, 0, 0},
		"MinConns":              {2, 0, 2},
		"MinIdleConns":          {0, 3, 3},
		"the greater of either": {2, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MinConns, c.MinIdleConns, c.MaxConnIdleTime = 8, test.min, test.minIdle, time.Minute
				})
				synctest.Wait()
				var held []Conn[*fakeConn]
				for range 6 {
					held = append(held, acquire(t, p))
				}
				for _, c := range held {
					c.Release()
				}
				time.Sleep(59 * time.Second)
				synctest.Wait()
				most := p.Stats().Idle
				if most < 6 {
					t.Errorf("%d idle before the time", most)
				}
				time.Sleep(1500 * time.Millisecond)
				synctest.Wait()
				st := p.Stats()
				dials, open, _ := e.counts()
				if st.Idle != test.want || open != test.want || st.Recycled[ReasonIdle] != int64(most-test.want) {
					t.Errorf("%d open, %+v", open, st)
				}
				time.Sleep(time.Hour) // they stay
				if again, _, _ := e.counts(); again != dials {
					t.Errorf("%d dials more in an hour", again-dials)
				}
			})
		})
	}
}

func TestAUsedConnectionIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConnIdleTime, c.Check, c.Heartbeat = 10*time.Second, e.check, 2*time.Second
		})
		for range 20 {
			acquire(t, p).Release()
			time.Sleep(9 * time.Second)
		}
		if dials, _, _ := e.counts(); dials != 1 {
			t.Errorf("%d dials", dials)
		}
		time.Sleep(2 * time.Second) // heartbeats are no use
		synctest.Wait()
		if st := p.Stats(); st.Conns != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestMinIdleConnsAreBesideThoseInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		refills := 0
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinIdleConns = 5, 2
			c.Observer = &Observer{Refill: func(i RefillInfo) { refills += i.Conns }}
		})
		var held []Conn[*fakeConn]
		for i := range 6 {
			time.Sleep(time.Second)
			synctest.Wait()
			want := min(2, 5-i)
			if st := p.Stats(); st.Idle != want || st.InUse != i {
				t.Fatalf("with %d in use: %+v", i, st)
			}
			if i < 5 {
				held = append(held, acquire(t, p))
			}
		}
		for _, c := range held {
			c.Release()
		}
		if refills != 5 {
			t.Errorf("%d refills told", refills)
		}
	})
}

func TestHeartbeatsCheckWhatIsIdle(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{100 * time.Millisecond, time.Second, time.Minute} {
		t.Run(every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var beats []HeartbeatInfo
				var mu sync.Mutex
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.Check, c.Heartbeat = 2, e.check, every
					c.Observer = &Observer{Heartbeat: func(i HeartbeatInfo) {
						mu.Lock()
						defer mu.Unlock()
						beats = append(beats, i)
					}}
				})
				synctest.Wait()
				used := acquire(t, p)
				inUse := used.Value()
				inUse.hangs.Store(true) // and nobody minds
				time.Sleep(100*every + every/2)
				synctest.Wait()
				mu.Lock()
				if n := len(beats); n < 85 || n > 115 {
					t.Errorf("%d heartbeats", n)
				}
				beats = nil
				mu.Unlock()
				inUse.hangs.Store(false)
				used.Release()
				idle := e.all()[0]
				if idle == inUse {
					idle = e.all()[1]
				}
				idle.hangs.Store(true)
				time.Sleep(every*11/10 + time.Second + roundLeast)
				synctest.Wait()
				if !idle.closed.Load() || inUse.closed.Load() {
					t.Errorf("hanging one closed: %v, other: %v", idle.closed.Load(), inUse.closed.Load())
				}
				if st := p.Stats(); st.Recycled[ReasonSuspect] != 1 || st.Deaths[health.HeartbeatFailed] != 1 {
					t.Errorf("%+v", st)
				}
				failed := 0
				mu.Lock()
				defer mu.Unlock()
				for _, b := range beats {
					if b.Err != nil {
						failed++
						if b.Duration != time.Second || health.Classify(b.Err) != health.HeartbeatFailed {
							t.Errorf("%+v", b)
						}
					}
				}
				if failed != 1 {
					t.Errorf("%d failures told", failed)
				}
			})
		})
	}
}

func TestHeartbeatsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		at := map[time.Time]int{}
		var mu sync.Mutex
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns, c.MaxDials, c.Check, c.Heartbeat = 20, 20, 20, e.check, time.Minute
			c.Observer = &Observer{Heartbeat: func(HeartbeatInfo) {
				mu.Lock()
				defer mu.Unlock()
				at[time.Now()]++
			}}
		})
		time.Sleep(70 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, n := range at {
			if n > 10 {
				t.Errorf("%d of 20 at a time", n)
			}
		}
		_ = p
	})
}

func TestALeakIsToldOnceWithTheStackOfTheAcquire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var leaks []LeakInfo
		var mu sync.Mutex
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.LeakAfter = 30 * time.Second
			c.Observer = &Observer{Leak: func(i LeakInfo) {
				mu.Lock()
				defer mu.Unlock()
				leaks = append(leaks, i)
			}}
		})
		ways := []func() Conn[*fakeConn]{ // those after the first on a connection that was used before
			func() Conn[*fakeConn] { return forgetful(t, p) },
			func() Conn[*fakeConn] { return forgetful(t, p) },
			func() Conn[*fakeConn] { c, _ := p.TryAcquire(t.Context()); return c },
			func() Conn[*fakeConn] { return p.AcquireAllIdle(t.Context())[0] },
		}
		for _, forget := range ways {
			short := acquire(t, p)
			leaked := forget()
			time.Sleep(20 * time.Second)
			short.Release()
			time.Sleep(20 * time.Minute)
			leaked.Release()
			time.Sleep(time.Minute)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(leaks) != len(ways) {
			t.Fatalf("%d leaks", len(leaks))
		}
		for _, l := range leaks {
			if l.Held < 30*time.Second || l.Held > 30*time.Second+roundLeast {
				t.Errorf("after %v", l.Held)
			}
			first, _, _ := strings.Cut(l.Stack, "\n")
			if !strings.HasSuffix(first, "pool.forgetful") && !strings.Contains(first, "TestALeakIsTold") {
				t.Errorf("the stack begins with %q", first)
			}
			if !strings.Contains(l.Stack, "maintain_test.go:") {
				t.Error(l.Stack)
			}
		}
	})
}

//go:noinline
func forgetful(t *testing.T, p *Pool[*fakeConn]) Conn[*fakeConn] {
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Error(err)
	}
	return c
}

func TestMinConnsAreOpenedAtOnceAndKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(time.Second)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.MaxDials = 10, 6, 3 })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 6 || st.Dials != 6 || st.DialTime != 6*time.Second {
			t.Errorf("%+v", st)
		}
	})
}

func TestAnIdlePoolIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 4 })
		held := acquire(t, p)
		time.Sleep(time.Hour)
		held.Release()
		synctest.Wait()
		if dials, open, _ := e.counts(); dials != 4 || open != 4 {
			t.Errorf("%d dials, %d open", dials, open)
		}
	})
}

// What is idle beyond its time, and has to stay, is no reason to look again soon; and
// the more there are, the longer it takes until all are looked at again.
func TestIdleSlotsAreLookedAtNoMoreOftenThanTheyAreWorth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MinConns, c.MaxConnIdleTime = 2, 10*time.Second })
		for _, test := range []struct{ after, want time.Duration }{
			{9500 * time.Millisecond, 500 * time.Millisecond}, // as is left of their time
			{time.Minute, roundEvery},
		} {
			time.Sleep(test.after)
			synctest.Wait()
			if next := p.maintenance.tidyIdle(); next != test.want {
				t.Errorf("idle for %v: the next look is due in %v, want %v", test.after, next, test.want)
			}
		}
		if st := p.Stats(); st.Idle != 2 {
			t.Errorf("%+v", st)
		}
	})
	for n, want := range map[int]time.Duration{0: time.Second, 1000: time.Second, 1001: 2 * time.Second, 10_000: 10 * time.Second, 50_000: 50 * time.Second} {
		if got := roundAfter(n); got != want {
			t.Errorf("%d idle: %v, want %v", n, got, want)
		}
	}
}
