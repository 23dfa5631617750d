package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestAcquireEndsPromptlyWithItsContext(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, e *endpoint, p *Pool[*fakeConn]){
		"while it waits for a dial": func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.setDelay(5 * time.Second) },
		"while all are in use": func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			for range 2 {
				t.Cleanup(acquire(t, p).Release)
			}
		},
		"while the endpoint is down": func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.setRefuse(errRefused) },
		"while all are suspect": func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			a, b := acquire(t, p), acquire(t, p)
			a.Value().suspect.Store(true)
			b.Value().suspect.Store(true)
			a.Release()
			b.Release()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 2 })
				prepare(t, e, p)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				_, err := p.Acquire(ctx)
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("ended after %v", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !SafeToRetry(err) {
					t.Errorf("%v, safe %v", err, SafeToRetry(err))
				}
				synctest.Wait()
				if st := p.Stats(); st.Waiting != 0 {
					t.Errorf("%d wait", st.Waiting)
				}
			})
		})
	}
}

func TestAnEndedContextGetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.Canceled) || !SafeToRetry(err) {
			t.Error(err)
		}
	})
}

func TestWaitersAreServedInTurn(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, e *endpoint, p *Pool[*fakeConn]){
		"by dials": func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.setDelay(time.Second) },
		"by releases": func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			for i := range 3 {
				c := acquire(t, p)
				time.AfterFunc(time.Duration(i+5)*time.Second, c.Release)
			}
		},
		"after an outage": func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.setDelay(time.Millisecond)
			e.setRefuse(errRefused)
			time.AfterFunc(time.Minute, func() { e.setRefuse(nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxDials = 3, 1 })
				prepare(t, e, p)
				var wg sync.WaitGroup
				var mu sync.Mutex
				var order []int
				for i := range 10 {
					wg.Go(func() {
						c := acquire(t, p)
						mu.Lock()
						order = append(order, i)
						mu.Unlock()
						time.Sleep(10 * time.Millisecond)
						c.Release()
					})
					synctest.Wait() // each stands in the queue before the next
				}
				wg.Wait()
				if !slices.IsSorted(order) {
					t.Errorf("served %v", order)
				}
				if st := p.Stats(); st.Waits < 10 || st.WaitTime == 0 || st.Acquires < 10 || st.Waiting != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 2, 3 })
		a, b := acquire(t, p), acquire(t, p)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { acquire(t, p).Release() })
		}
		synctest.Wait()
		if _, err := p.Acquire(t.Context()); err != ErrTooManyWaiters || !SafeToRetry(err) {
			t.Errorf("the fourth waiter: %v", err)
		}
		a.Hijack().Close() // each way to end a use makes room
		b.Close()
		wg.Wait()
		for range 10 {
			acquire(t, p).Release()
		}
	})
}

func TestADialThatItsCallerLeftIsForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(5 * time.Second)
		p := newPool(t, e, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 {
			t.Errorf("%+v", st)
		}
		acquire(t, p).Release()
		if dials, _, _ := e.counts(); dials != 1 {
			t.Errorf("%d dials", dials)
		}
	})
}

func TestASlowDialIsNotDialledTwiceForTheNextCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(5 * time.Second)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns = 2, 2 })
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = p.Acquire(ctx)
			cancel()
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if dials, open, most := e.counts(); dials != 2 || open != 2 || most != 2 {
			t.Errorf("%d dials, %d open, %d at most", dials, open, most)
		}
	})
}

func TestAcquireChecksWhatWasIdleForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.Check, c.CheckAfter = e.check, time.Second })
		acquire(t, p).Release()
		time.Sleep(time.Second)
		acquire(t, p).Release()
		if n, _ := e.asked(); n != 0 {
			t.Errorf("%d checks before CheckAfter", n)
		}
		time.Sleep(2 * time.Second)
		c := acquire(t, p)
		if n, _ := e.asked(); n != 1 {
			t.Errorf("%d checks after CheckAfter", n)
		}
		c.Value().sick.Store(true)
		c.Release()
		time.Sleep(2 * time.Second)
		c = acquire(t, p)
		defer c.Release()
		if c.Value().id != 2 {
			t.Error("got one that failed the check")
		}
		if st := p.Stats(); st.Recycled[ReasonSuspect] != 1 || st.Deaths[health.HeartbeatFailed] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAHungCheckLeavesTheCallerHalfOfItsTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		timeout time.Duration // of the caller
		hung    int           // connections of 3
		max     time.Duration // until Acquire returns
	}{
		"one of three, short deadline": {500 * time.Millisecond, 1, 250 * time.Millisecond},
		"one of three, no hurry":       {time.Minute, 1, time.Second},
		"all of three, short deadline": {500 * time.Millisecond, 3, 251 * time.Millisecond},
		"all of three, no hurry":       {time.Minute, 3, 2100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.Check, c.CheckAfter = 3, e.check, time.Second
				})
				synctest.Wait()
				time.Sleep(2500 * time.Millisecond)
				idle := e.all()
				if len(idle) != 3 {
					t.Fatal(len(idle))
				}
				last := lastUsed(t, p)
				last.hangs.Store(true)
				for _, c := range idle {
					if test.hung == 3 {
						c.hangs.Store(true)
					}
				}
				time.Sleep(2500 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				start := time.Now()
				c, err := p.Acquire(ctx)
				if err != nil {
					t.Fatalf("after %v: %v", time.Since(start), err)
				}
				defer c.Release()
				if took := time.Since(start); took > test.max {
					t.Errorf("took %v", took)
				}
				if c.Value().hangs.Load() {
					t.Error("got one that hangs")
				}
			})
		})
	}
}

// lastUsed uses one connection, which is then the first to be acquired.
func lastUsed(t *testing.T, p *Pool[*fakeConn]) *fakeConn {
	c := acquire(t, p)
	defer c.Release()
	return c.Value()
}

func TestACheckThatPassesServesTheCallerOnceWhenAllWereChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns, c.Check, c.CheckAfter = 2, 2, e.check, time.Second
		})
		synctest.Wait()
		lastUsed(t, p).hangs.Store(true)
		time.Sleep(5 * time.Second)
		c := acquire(t, p)
		defer c.Release()
		// The hung one, the other, and that again because the first one's death
		// may have come in between.
		if n, _ := e.asked(); n > 3 {
			t.Errorf("%d checks", n)
		}
	})
}

func TestASuspectConnectionWaitsAsideUntilItRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		c := acquire(t, p)
		first := c.Value()
		c.Release()
		first.suspect.Store(true)
		c = acquire(t, p)
		if c.Value() == first {
			t.Error("got a suspect one")
		}
		synctest.Wait()
		if st := p.Stats(); st.Quarantined != 1 || st.Idle != 0 || st.InUse != 1 || st.Conns != 2 {
			t.Errorf("%+v", st)
		}
		first.suspect.Store(false)
		time.Sleep(lookEvery)
		synctest.Wait()
		again := acquire(t, p)
		if again.Value() != first {
			t.Error("the one that recovered was not given back")
		}
		again.Release()
		c.Release()
	})
}

func TestASuspectConnectionThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns = 1, 1 })
		synctest.Wait()
		first := e.all()[0]
		first.suspect.Store(true)
		got := make(chan Conn[*fakeConn])
		go func() { got <- acquire(t, p) }()
		synctest.Wait()
		if st := p.Stats(); st.Quarantined != 1 || st.Waiting != 1 {
			t.Errorf("%+v", st)
		}
		first.kill(health.KeepAliveTimeout)
		c := <-got
		if c.Value() == first {
			t.Error("got the dead one")
		}
		c.Release()
		if st := p.Stats(); st.Quarantined != 0 || st.Idle != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestLifetimesEndAtRandomWithinTheJitter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		life   time.Duration
		jitter float64
		least  time.Duration
		spread bool
	}{
		"default":      {time.Hour, 0, 54 * time.Minute, true},
		"none":         {time.Hour, -1, time.Hour, false},
		"half":         {time.Minute, 0.5, 30 * time.Second, true},
		"sub-second":   {100 * time.Millisecond, 0, 90 * time.Millisecond, true},
		"milliseconds": {10 * time.Millisecond, 0.2, 8 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var ages []time.Duration
				var mu sync.Mutex
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MaxDials, c.MaxConnLifetime, c.LifetimeJitter = 20, 20, test.life, test.jitter
					c.Observer = &Observer{Evict: func(i EvictInfo) {
						mu.Lock()
						defer mu.Unlock()
						if i.Reason == ReasonLifetime {
							ages = append(ages, i.Age)
						}
					}}
				})
				var held []Conn[*fakeConn]
				for range 20 {
					held = append(held, acquire(t, p))
				}
				for _, c := range held {
					c.Release()
				}
				time.Sleep(test.life + time.Second)
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if len(ages) != 20 {
					t.Fatalf("%d ended, %+v", len(ages), p.Stats())
				}
				lo, hi := slices.Min(ages), slices.Max(ages)
				if lo < test.least || hi > test.life+2*roundLeast || test.spread != (hi-lo > test.life/50) {
					t.Errorf("ended at %v to %v", lo, hi)
				}
			})
		})
	}
}

func TestAConnectionInUseIsNotKeptBeyondItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConnLifetime = time.Minute })
		c := acquire(t, p)
		time.Sleep(time.Hour)
		if c.Value().closed.Load() {
			t.Error("closed under its user's hands")
		}
		c.Release()
		synctest.Wait()
		if st := p.Stats(); st.Conns != 0 || st.Recycled[ReasonLifetime] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhoFindsAllIdleOnesBeingLookedAtDoesNotDial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 8 })
		acquire(t, p).Release()
		got := make(chan Conn[*fakeConn], 1)
		p.sweep(func(s *slot[*fakeConn]) {
			go func() { got <- acquire(t, p) }()
			synctest.Wait()
			p.revalidate(s)
		})
		(<-got).Release()
		synctest.Wait()
		if dials, _, _ := e.counts(); dials != 1 {
			t.Errorf("%d dials", dials)
		}
	})
}

func TestMaintenanceKeepsTheOrderOfUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		a, b, c := acquire(t, p), acquire(t, p), acquire(t, p)
		last := c.Value()
		a.Release()
		b.Release()
		c.Release()
		for range 5 {
			time.Sleep(time.Second)
			synctest.Wait()
			if lastUsed(t, p) != last {
				t.Fatal("another one lies on top")
			}
		}
	})
}
