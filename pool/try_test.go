package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestTryAcquireTakesWhatIsIdleOrNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*Config[*fakeConn], *endpoint)
		prepare func(*testing.T, *endpoint, *Pool[*fakeConn])
		want    int // ID of the connection; 0 is none
	}{
		"one is idle":           {want: 2},
		"with heartbeats":       {change: func(c *Config[*fakeConn], e *endpoint) { c.Check, c.Heartbeat = e.check, time.Hour }, want: 2},
		"the last one is dead":  {prepare: func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.all()[1].kill(health.PeerClosed) }, want: 1},
		"one of them has idled": {change: func(c *Config[*fakeConn], e *endpoint) { c.Check, c.CheckAfter = e.check, time.Minute }, want: 2},
		"all need a check": {
			change:  func(c *Config[*fakeConn], e *endpoint) { c.Check, c.CheckAfter = e.check, time.Minute },
			prepare: func(*testing.T, *endpoint, *Pool[*fakeConn]) { time.Sleep(2 * time.Minute) },
		},
		"the last one needs a check": {
			change: func(c *Config[*fakeConn], e *endpoint) { c.Check = e.check },
			prepare: func(_ *testing.T, e *endpoint, p *Pool[*fakeConn]) {
				for s := range p.conns.all {
					if s.value.id == 2 {
						s.mark(needsCheck)
					}
				}
			},
			want: 1,
		},
		"a check would be due, and there is none": {
			prepare: func(_ *testing.T, e *endpoint, p *Pool[*fakeConn]) {
				for s := range p.conns.all {
					s.mark(needsCheck)
				}
			},
			want: 2,
		},
		"the last one is suspect": {prepare: func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.all()[1].suspect.Store(true) }, want: 1},
		"all are invalidated":     {prepare: func(_ *testing.T, _ *endpoint, p *Pool[*fakeConn]) { p.Invalidate("") }},
		"all are in use": {prepare: func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			a, b := acquire(t, p), acquire(t, p)
			t.Cleanup(func() { a.Release(); b.Release() })
		}},
		"the pool is closed": {prepare: func(_ *testing.T, _ *endpoint, p *Pool[*fakeConn]) { p.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MaxWaiters = 2, 1
					if test.change != nil {
						test.change(c, e)
					}
				})
				a, b := acquire(t, p), acquire(t, p)
				a.Release()
				b.Release()
				synctest.Wait()
				if test.prepare != nil {
					test.prepare(t, e, p)
				}
				dials, _, _ := e.counts()
				checks, _ := e.asked()
				before := p.Stats()
				start := time.Now()
				c, ok := p.TryAcquire(t.Context())
				if ok != (test.want != 0) || ok && c.Value().id != test.want {
					t.Fatalf("%v, %+v, want %d", ok, c.Value(), test.want)
				}
				after := p.Stats()
				if time.Since(start) != 0 || after.Waits != before.Waits || ok != (after.Acquires == before.Acquires+1) {
					t.Errorf("%v, %+v", time.Since(start), after)
				}
				if again, _, _ := e.counts(); again != dials {
					t.Error("it has dialled")
				}
				if again, _ := e.asked(); ok && again != checks {
					t.Error("it has checked")
				}
				c.Release()
				if got := p.callers.inside.Load(); got != int64(before.InUse) {
					t.Errorf("%d callers, %d connections in use", got, before.InUse)
				}
			})
		})
	}
}

func TestTryAcquireDoesNotOvertakeWhoHasWaited(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]bool{0: true, patience + time.Microsecond: false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MaxConns = 1 })
			held := acquire(t, p)
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer acquire(t, p).Release()
				time.Sleep(time.Second)
			}()
			synctest.Wait()
			time.Sleep(wait)
			held.Release()
			c, ok := p.TryAcquire(t.Context())
			if ok && !want || want && !ok && p.queue.len() > 0 { // or else the one who waits was faster
				t.Errorf("after a wait of %v: %v", wait, ok)
			}
			c.Release()
			<-done
		})
	}
}

func TestTryAcquireRespectsMaxWaitersAndItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 2, 1 })
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		a, b := acquire(t, p), acquire(t, p)
		a.Release()
		if _, ok := p.TryAcquire(ended); ok {
			t.Error("with a ctx that has ended")
		}
		a, _ = p.TryAcquire(t.Context())
		go func() { acquire(t, p).Release() }()
		synctest.Wait()
		if _, err := p.Acquire(t.Context()); !errors.Is(err, ErrTooManyWaiters) { // what TryAcquire has given counts
			t.Error(err)
		}
		if _, ok := p.TryAcquire(t.Context()); ok || p.callers.inside.Load() != 3 {
			t.Errorf("%v, %d callers", ok, p.callers.inside.Load())
		}
		a.Release()
		b.Release()
		synctest.Wait()
		if p.callers.inside.Load() != 0 {
			t.Errorf("%d callers in the end", p.callers.inside.Load())
		}
	})
}

func TestTryAcquireAllocatesNothing(t *testing.T) {
	p := newPool(t, new(endpoint), nil)
	acquire(t, p).Release()
	if n := testing.AllocsPerRun(100, func() {
		c, _ := p.TryAcquire(t.Context())
		c.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAcquireAllIdleTakesEveryOneThatIsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters, c.MinIdleConns = 6, 2, 1 })
		var conns []Conn[*fakeConn]
		for range 6 {
			conns = append(conns, acquire(t, p))
		}
		for _, c := range conns[:5] {
			c.Release()
		}
		conns[2].slot.value.kill(health.PeerClosed)
		conns[3].slot.value.suspect.Store(true)
		all := p.AcquireAllIdle(t.Context())
		var ids []int
		for _, c := range all {
			ids = append(ids, c.Value().id)
		}
		if len(all) != 3 || ids[0] != conns[0].slot.value.id || ids[1] != conns[1].slot.value.id || ids[2] != conns[4].slot.value.id {
			t.Errorf("%v", ids)
		}
		if st := p.Stats(); st.InUse != 4 || st.Acquires != 9 || p.callers.inside.Load() != 4 {
			t.Errorf("%+v, %d callers", st, p.callers.inside.Load())
		}
		if p.AcquireAllIdle(t.Context()) != nil {
			t.Error("there were more")
		}
		all[0].Close()
		releaseAll(all)
		conns[5].Release()
		synctest.Wait()
		if st := p.Stats(); st.InUse != 0 || st.Recycled[ReasonClosed] != 1 || p.callers.inside.Load() != 0 {
			t.Errorf("%+v, %d callers", st, p.callers.inside.Load())
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if p.AcquireAllIdle(ended) != nil {
			t.Error("with a ctx that has ended")
		}
	})
}

func TestWhoWaitsHasOneBeforeAcquireAllIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 2 })
		a, b := acquire(t, p), acquire(t, p)
		got := make(chan Conn[*fakeConn], 1)
		go func() { got <- acquire(t, p) }()
		synctest.Wait()
		a.Release()
		b.Release()
		all := p.AcquireAllIdle(t.Context()) // before the one who waits is awake
		if len(all) != 1 {
			t.Errorf("took %d of 2", len(all))
		}
		c := <-got
		if dials, _, _ := e.counts(); dials != 2 {
			t.Errorf("%d dials", dials)
		}
		c.Release()
		releaseAll(all)
	})
}

func TestAHookThatPanicsInTryAcquireOrAcquireAllIdleLosesNothing(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(context.Context, *Pool[*fakeConn]){
		"TryAcquire":     func(ctx context.Context, p *Pool[*fakeConn]) { p.TryAcquire(ctx) },
		"AcquireAllIdle": func(ctx context.Context, p *Pool[*fakeConn]) { p.AcquireAllIdle(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e, b := new(endpoint), &bomb{how: once}
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters, c.Observer = 3, 1, b.in("Evict") })
				all := []Conn[*fakeConn]{acquire(t, p), acquire(t, p), acquire(t, p)}
				releaseAll(all)
				synctest.Wait()
				c := e.all()[0] // the one on top
				c.mu.Lock()
				c.dead = &health.DeadError{Cause: health.Reset, Detected: time.Now(), Err: errSick} // and does not call back
				c.mu.Unlock()
				b.explode(t, func() { take(t.Context(), p) })
				time.Sleep(2 * time.Second)
				if st := p.Stats(); st.InUse != 0 || st.Idle != 2 || p.callers.inside.Load() != 0 {
					t.Errorf("%+v, %d callers", st, p.callers.inside.Load())
				}
				for range 3 {
					defer acquire(t, p).Release()
				}
			})
		})
	}
}
