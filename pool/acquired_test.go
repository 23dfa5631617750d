package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type acquiredKey struct{}

// told is what the hook Acquired was called with.
type told struct {
	mu    sync.Mutex
	infos []AcquiredInfo
	ctxs  []any
}

func (d *told) in(c *Config[*fakeConn]) {
	c.Observer = &Observer{Acquired: func(ctx context.Context, info AcquiredInfo) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.infos, d.ctxs = append(d.infos, info), append(d.ctxs, ctx.Value(acquiredKey{}))
	}}
}

func TestEveryAcquireIsToldOnWish(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run  func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error
		want time.Duration
	}{
		"it is served at once": {func(t *testing.T, ctx context.Context, _ *endpoint, p *Pool[*fakeConn]) error {
			c, err := p.Acquire(ctx)
			c.Release()
			return err
		}, 0},
		"by Do": {func(t *testing.T, ctx context.Context, _ *endpoint, p *Pool[*fakeConn]) error {
			return p.Do(ctx, func(context.Context, *fakeConn) error { return nil })
		}, 0},
		"it waits for a dial": {func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error {
			p.Invalidate("test")
			e.setDelay(time.Second)
			c, err := p.Acquire(ctx)
			c.Release()
			return err
		}, time.Second},
		"it waits in vain": {func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error {
			p.Invalidate("test")
			e.setDelay(time.Hour)
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			_, err := p.Acquire(ctx)
			return err
		}, 2 * time.Second},
		"its ctx has ended": {func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			_, err := p.Acquire(ctx)
			return err
		}, 0},
		"too many wait": {func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error {
			p.callers.inside.Add(100)
			defer p.callers.inside.Add(-100)
			_, err := p.Acquire(ctx)
			return err
		}, 0},
		"the pool is closed": {func(t *testing.T, ctx context.Context, e *endpoint, p *Pool[*fakeConn]) error {
			p.Close()
			_, err := p.Acquire(ctx)
			return err
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, log := new(endpoint), new(told)
				p := newPool(t, e, func(c *Config[*fakeConn]) { log.in(c); c.MinConns, c.MaxWaiters = 1, 1 })
				synctest.Wait()
				err := test.run(t, context.WithValue(t.Context(), acquiredKey{}, name), e, p)
				want := []AcquiredInfo{{Wait: test.want, Err: err}}
				if !slices.Equal(log.infos, want) || log.ctxs[0] != name {
					t.Errorf("%+v under %v, want %+v", log.infos, log.ctxs, want)
				}
			})
		})
	}
}

func TestAnAcquireThatWaitedIsToldOfAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(time.Second)
		var order []string
		var waits []time.Duration
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.Observer = &Observer{
				AcquireDone: func(_ context.Context, i AcquireDoneInfo) {
					order, waits = append(order, "done"), append(waits, i.Wait)
				},
				Acquired: func(_ context.Context, i AcquiredInfo) { order, waits = append(order, "all"), append(waits, i.Wait) },
			}
		})
		acquire(t, p).Release()
		acquire(t, p).Release()
		if !slices.Equal(order, []string{"done", "all", "all"}) || !slices.Equal(waits, []time.Duration{time.Second, time.Second, 0}) {
			t.Errorf("%v, %v", order, waits)
		}
	})
}

func TestAnAcquireThatIsToldAllocatesNothing(t *testing.T) {
	e, n := new(endpoint), 0
	p := newPool(t, e, func(c *Config[*fakeConn]) {
		c.Observer = &Observer{Acquired: func(_ context.Context, i AcquiredInfo) {
			if n++; errors.Is(i.Err, ErrClosed) {
				t.Error(i)
			}
		}}
	})
	acquire(t, p).Release()
	if allocs := testing.AllocsPerRun(100, func() { acquire(t, p).Release() }); allocs > 0 || n < 100 {
		t.Errorf("%v allocations, told %d times", allocs, n)
	}
}
