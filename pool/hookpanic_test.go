package pool

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// bomb is an Observer of which the named hook does not return the next time
// that it is called once it is armed.
type bomb struct {
	armed, off atomic.Bool
	how        func()
}

func (b *bomb) hit() {
	if b.armed.CompareAndSwap(true, false) {
		b.off.Store(true)
		b.how()
	}
}

func (b *bomb) in(hook string) *Observer {
	start := func(ctx context.Context) context.Context { b.hit(); return ctx }
	return map[string]*Observer{
		"AcquireStart": {AcquireStart: func(ctx context.Context, _ AcquireStartInfo) context.Context { return start(ctx) }},
		"AcquireDone":  {AcquireDone: func(context.Context, AcquireDoneInfo) { b.hit() }},
		"Acquired":     {Acquired: func(context.Context, AcquiredInfo) { b.hit() }},
		"Release":      {Release: b.hit},
		"Evict":        {Evict: func(EvictInfo) { b.hit() }},
		"OutageBegin":  {OutageBegin: func(Outage) { b.hit() }},
		"OutageEnd":    {OutageEnd: func(Outage) { b.hit() }},
		"Closed":       {Closed: b.hit},
	}[hook]
}

// explode runs f on a goroutine of its own, on which the hook does not return.
func (b *bomb) explode(t *testing.T, f func()) {
	t.Helper()
	synctest.Wait() // no goroutine of the pool's own is at it
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		b.armed.Store(true)
		f()
	}()
	<-done
	if !b.off.Load() {
		t.Fatal("the hook was not called there")
	}
}

func TestAHookThatPanicsLosesNothing(t *testing.T) {
	t.Parallel()
	type scene struct {
		hook string
		run  func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb)
	}
	for name, s := range map[string]scene{
		"a wait begins": {"AcquireStart", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			e.setDelay(time.Second)
			b.explode(t, func() { _, _ = p.Acquire(t.Context()) })
		}},
		"a wait ends": {"AcquireDone", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			e.setDelay(time.Second)
			b.explode(t, func() { _, _ = p.Acquire(t.Context()) })
		}},
		"a wait ends in nothing": {"AcquireDone", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			e.setDelay(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			b.explode(t, func() { _, _ = p.Acquire(ctx) })
		}},
		"it is served at once": {"Acquired", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			acquire(t, p).Release()
			b.explode(t, func() { _, _ = p.Acquire(t.Context()) })
		}},
		"it is told of after a wait": {"Acquired", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			e.setDelay(time.Second)
			b.explode(t, func() { _, _ = p.Acquire(t.Context()) })
		}},
		"it is told of in vain": {"Acquired", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			e.setDelay(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			b.explode(t, func() { _, _ = p.Acquire(ctx) })
		}},
		"it is told of before Do runs": {"Acquired", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			b.explode(t, func() { _ = p.Do(t.Context(), func(context.Context, *fakeConn) error { return nil }) })
		}},
		"Release": {"Release", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			b.explode(t, acquire(t, p).Release)
		}},
		"Do": {"Release", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			b.explode(t, func() { _ = p.Do(t.Context(), func(context.Context, *fakeConn) error { return nil }) })
		}},
		"Close": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			b.explode(t, acquire(t, p).Close)
		}},
		"Hijack": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			c := acquire(t, p)
			v := c.Value()
			b.explode(t, func() { c.Hijack() })
			v.Close()
		}},
		"Release of a fault": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			c := acquire(t, p)
			c.Value().meter.Fault()
			b.explode(t, c.Release)
		}},
		"Invalidate": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			acquire(t, p).Release()
			b.explode(t, func() { p.Invalidate("") })
		}},
		"Acquire finds one that is dead": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			acquire(t, p).Release()
			synctest.Wait()
			c := e.all()[0]
			c.mu.Lock()
			c.dead = &health.DeadError{Cause: health.Reset, Detected: time.Now(), Err: errSick} // and does not call back
			c.mu.Unlock()
			b.explode(t, func() { _, _ = p.Acquire(t.Context()) })
		}},
		"an idle one dies": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			acquire(t, p).Release()
			b.explode(t, func() { e.all()[0].kill(health.Reset) })
		}},
		"one in use dies": {"Evict", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			c := acquire(t, p)
			b.explode(t, func() { e.all()[0].kill(health.Reset) })
			c.Release()
		}},
		"an outage begins": {"OutageBegin", func(t *testing.T, e *endpoint, p *Pool[*fakeConn], b *bomb) {
			p.dialer.mu.Lock()
			p.dialer.begin(Outage{}) // here, or else the goroutine that reconnects may tell of it
			p.dialer.end(true)
			p.dialer.mu.Unlock()
			b.explode(t, func() { p.dialer.tellOutages(p.config.Observer) })
			p.dialer.tellOutages(p.config.Observer)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e, b := new(endpoint), &bomb{how: once}
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MaxWaiters, c.Observer = 1, 1, b.in(s.hook)
				})
				s.run(t, e, p, b)
				time.Sleep(2 * time.Second)
				mustWork(t, e, p)
				held := acquire(t, p)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) { // no waiter is left behind
					t.Error(err)
				}
				held.Release()
			})
		})
	}
}

func TestAHookThatPanicsDuringASweepLosesNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		e, b := new(endpoint), &bomb{how: once}
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 4, b.in("Evict") })
		synctest.Wait()
		b.explode(t, func() { p.Invalidate("") })
		time.Sleep(time.Second)
		for range 4 {
			c := acquire(t, p)
			defer c.Release()
			if c.Value().id <= 4 {
				t.Error("got one that was invalidated")
			}
		}
	})
}

func TestAHookThatPanicsWhenThePoolIsClosedLeavesItToTheNextCall(t *testing.T) {
	t.Parallel()
	for hook, use := range map[string]func(t *testing.T, e *endpoint, p *Pool[*fakeConn]){
		"Closed": func(*testing.T, *endpoint, *Pool[*fakeConn]) {},
		"Evict":  func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) { acquire(t, p); acquire(t, p) },
		"OutageEnd": func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setRefuse(errRefused)
			e.all()[0].kill(health.KeepAliveTimeout)
		},
	} {
		t.Run(hook, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e, b := new(endpoint), &bomb{how: once}
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 2, b.in(hook) })
				synctest.Wait()
				use(t, e, p)
				b.explode(t, p.Close)
				p.Close()
				if st := p.Stats(); st.Conns != 0 || e.unclosed != 0 {
					t.Errorf("%d are open, %+v", e.unclosed, st)
				}
			})
		})
	}
}

func TestWhatResetFailedWithIsTold(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		e := new(endpoint)
		told := make(chan EvictInfo, 1)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.Reset = func(context.Context, *fakeConn) error { once(); return nil }
			c.Observer = &Observer{Evict: func(i EvictInfo) {
				if i.Reason == ReasonFault {
					told <- i
				}
			}}
		})
		c := acquire(t, p)
		c.Value().meter.Fault()
		c.Release()
		if i := <-told; !strings.Contains(i.Detail, "pool: Reset ") || !strings.Contains(i.Detail, "guard_test.go") {
			t.Errorf("%q", i.Detail)
		}
	})
}
