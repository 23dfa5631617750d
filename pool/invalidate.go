package pool

import (
	"context"
	"time"
)

// Invalidate makes the pool part with every connection that it has now: idle
// ones at once, and those in use when they are released. Those that are being
// dialled are dialled anew, and while the endpoint is down or full a dial is made
// at once, without the pause that would come before it; calls in a row do so at
// most every 50 ms. Call it when the connections lead to the wrong place, as after
// a failover. reason reaches the Observer, as EvictInfo.Detail. On a closed pool
// it does nothing.
func (p *Pool[T]) Invalidate(reason string) {
	p.invalidate(reason)
	p.sweep(p.consider)
	p.nudge() // for those that are aside
}

// Interrupt is Invalidate, and aborts the connections in use, too: calls on them
// fail at once. Their callers release them as ever.
func (p *Pool[T]) Interrupt(reason string) {
	p.invalidate(reason)
	for _, s := range p.inUse() {
		p.interrupt(s)
	}
	p.sweep(p.consider)
	p.nudge()
}

// invalidate begins an era.
func (p *Pool[T]) invalidate(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invalid = reason
	p.epoch.Add(1)
	p.eraEnd()
	p.era, p.eraEnd = context.WithCancel(p.life)
	r := &p.reconnector
	if time.Since(r.hurried) < firstPause {
		return
	}
	r.hurried, r.refillAt, r.dialAt = time.Now(), time.Time{}, time.Time{}
	if r.state != up {
		p.dialNow()
	}
}

// currentEra returns the context that ends with the pool, or with the next
// Invalidate.
func (p *Pool[T]) currentEra() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.era
}

func (p *Pool[T]) inUse() []*slot[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	var held []*slot[T]
	for s := range p.filled {
		if s.held() {
			held = append(held, s)
		}
	}
	return held
}

// interrupt aborts the connection of a slot under its caller's hands. What
// follows is the release's affair.
func (p *Pool[T]) interrupt(s *slot[T]) {
	if s.epoch == p.epoch.Load() || !s.interrupt() {
		return // it was dialled since, or released
	}
	tell, _ := p.condemn(s, ReasonInvalid, nil)
	defer tell()
	s.aborted.Store(true)
	p.wg.Go(func() { p.abort(s.conn) })
}
