package pool

import (
	"context"
	"math/rand/v2"
	"time"
)

// addHooks has what is acquired and released go through functions that fail at
// times.
func (m *model) addHooks(r *rand.Rand, c *Config[*fakeConn]) {
	if r.IntN(3) == 0 {
		prepare := m.alone(func(ctx context.Context, c *fakeConn) error { return c.answer(ctx) })
		c.PrepareAcquire = func(ctx context.Context, c *fakeConn) error {
			if err := prepare(ctx, c); err != nil {
				return err
			}
			return ctx.Err()
		}
	}
	if r.IntN(3) == 0 {
		c.AfterRelease = func(c *fakeConn) bool {
			m.mu.Lock()
			k := m.of(c)
			if k.holder || k.hijacked || k.checked {
				m.t.Errorf("%d is asked about, held: %v, hijacked: %v, checked: %v", c.id, k.holder, k.hijacked, k.checked)
			}
			m.mu.Unlock()
			if c.sick.Load() && c.id%3 == 0 {
				panic(errSick)
			}
			return !c.sick.Load()
		}
	}
}

func isPrepareError(err error) bool {
	_, ok := err.(*prepareError)
	return ok
}

// resize changes the pool's size, within twice what it was.
func (m *model) resize(r *rand.Rand) {
	least := max(1, m.config.MinConns, m.config.MinIdleConns)
	n := least + r.IntN(2*m.config.MaxConns-least+1)
	m.resizing.Lock()
	defer m.resizing.Unlock()
	m.mu.Lock()
	m.maxConns, m.most = n, max(m.most, n)
	m.mu.Unlock()
	if err := m.p.Resize(n); err != nil {
		m.t.Errorf("Resize(%d): %v", n, err)
	}
}

// largest is the most connections that there may have been so far.
func (m *model) largest() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}

// acquireSomehow is acquire, or TryAcquire until that has something.
func (m *model) acquireSomehow(ctx context.Context, r *rand.Rand) (Conn[*fakeConn], error) {
	if r.IntN(6) > 0 {
		return m.acquire(ctx)
	}
	m.steps.Add(1)
	start, finished := m.begin()
	began := time.Now()
	c, ok := m.p.TryAcquire(ctx)
	if m.config.PrepareAcquire == nil && time.Since(began) != 0 {
		m.t.Errorf("TryAcquire took %v", time.Since(began))
	}
	if !ok {
		return c, errNoSlot
	}
	m.took(c.Value(), start, finished, time.Now())
	return c, nil
}

// begin is what is known when a caller comes.
func (m *model) begin() (start, finished int64) {
	start = m.clock.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	return start, m.finished
}

// useAllIdle takes all that is idle for a moment.
func (m *model) useAllIdle(ctx context.Context, r *rand.Rand) {
	m.steps.Add(1)
	start, finished := m.begin()
	began := time.Now()
	all := m.p.AcquireAllIdle(ctx)
	values := make([]*fakeConn, len(all))
	for i, c := range all {
		values[i] = c.Value()
		if m.config.PrepareAcquire == nil { // or else those are old that were prepared first
			m.took(values[i], start, finished, began)
		} else {
			m.took(values[i], 0, 0, time.Time{})
		}
	}
	time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
	for i, c := range all {
		m.end(r, c, values[i])
	}
}
