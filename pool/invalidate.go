package pool

import (
	"context"
	"sync"
)

// Invalidate makes the pool part with every connection that it has now: idle
// ones at once, also those that a Check or a Reset is at, and those in use when they
// are released; how they die until then is no outage. Those that are being
// dialled are dialled anew, and while the endpoint is down or full a dial is made
// at once, without the pause that would come before it; calls in a row do so at
// most every 50 ms. Call it when the connections lead to the wrong place, as after
// a failover. reason reaches the Observer, as EvictInfo.Detail. On a closed pool
// it does nothing.
func (p *Pool[T]) Invalidate(reason string) {
	p.invalidate(reason)
	p.sweep(p.revalidate)
	p.maintenance.wake() // for those that are quarantined
}

// Interrupt is Invalidate, and aborts the connections in use, too: calls on them
// fail at once. Their callers release them as ever.
func (p *Pool[T]) Interrupt(reason string) {
	p.invalidate(reason)
	for _, s := range p.conns.held() {
		p.interrupt(s)
	}
	p.sweep(p.revalidate)
	p.maintenance.wake()
}

// invalidate begins an era.
func (p *Pool[T]) invalidate(reason string) {
	p.era.next(p.life, reason, func() { p.epoch.Add(1) })
	p.dialer.hasten()
}

// now is the era, and what counts it: nothing is fit any more once the bit is set.
func (p *Pool[T]) now() (era context.Context, epoch uint64) {
	return p.era.current(), p.epoch.Load() &^ shut
}

// era is the time between two calls of Invalidate.
type era struct {
	mu     sync.Mutex // guards what follows
	reason string     // what Invalidate was told
	ctx    context.Context
	end    context.CancelFunc
}

// next ends the era, and begins one that ends with life at the latest. Who asks
// for the era, and then for what count counts, has both of one, or an era that
// has ended.
func (e *era) next(life context.Context, reason string, count func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reason = reason
	count()
	if e.end != nil {
		e.end()
	}
	e.ctx, e.end = context.WithCancel(life)
}

func (e *era) current() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx
}

func (e *era) why() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reason
}

// interrupt aborts the connection of a slot under its caller's hands. What
// follows is the release's affair.
func (p *Pool[T]) interrupt(s *slot[T]) {
	if s.epoch == p.epoch.Load() || !s.move(interrupt) {
		return // it was dialled since, or released
	}
	tell, _ := p.markUnfit(s, ReasonInvalid, nil)
	defer tell()
	s.mu.Lock()
	s.aborted = true
	s.mu.Unlock()
	p.wg.Go(func() { abortConn(s.conn) })
}
