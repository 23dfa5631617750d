package pool

import "context"

// Invalidate makes the pool part with every connection that it has now: idle
// ones at once, those in use when they are released, and those that are being
// dialled when they are made. Call it when they lead to the wrong place, as
// after a failover. reason reaches the Observer, as EvictInfo.Detail. On a
// closed pool it does nothing.
func (p *Pool[T]) Invalidate(reason string) {
	p.mu.Lock()
	p.invalid = reason
	p.mu.Unlock()
	p.epoch.Add(1)
	p.sweep(p.consider)
	p.nudge() // for those that are aside
}

// Shutdown closes the pool in good order: it hands nothing out any more, ends
// every wait with [ErrClosed], and waits until what is in use was released and
// all connections are closed, by Config.Close. When ctx ends it aborts what is
// left, counts what was in use of it, and returns. Then every connection is
// closed and every goroutine of the pool has ended, but for functions of the
// Config that do not return: a Close that goes on after its connection was
// aborted, and others a second after their ctx ended.
// The error is ctx.Err() if anything in use was aborted. It may be called more than
// once and by several goroutines, each of which waits for the end; not by a hook
// of the Observer, nor by Dial, Open, Close, Check or Reset.
func (p *Pool[T]) Shutdown(ctx context.Context) (aborted int, err error) {
	defer context.AfterFunc(ctx, p.hasten)()
	return p.shutdown(ctx)
}

// shutdown waits until ctx ends for what is in use.
func (p *Pool[T]) shutdown(ctx context.Context) (aborted int, err error) {
	p.shutDown()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		p.slots.Close()
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		aborted, err = p.abortHeld(), ctx.Err()
		<-gone
	}
	p.wg.Wait()
	p.told.Do(p.config.Observer.closed)
	if aborted == 0 {
		err = nil
	}
	return aborted, err
}

// Close shuts the pool down at once: what is in use is aborted. It waits for the
// rest to be closed, which takes no longer than CloseTimeout, and may be called as
// [Pool.Shutdown].
func (p *Pool[T]) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = p.shutdown(ctx)
}

// hasten has nothing waited for any more that takes its time to close.
func (p *Pool[T]) hasten() { p.hastened.Do(func() { close(p.hurried) }) }

// shutDown ends all waiting and dialling.
func (p *Pool[T]) shutDown() {
	p.mu.Lock()
	p.closed = true
	aside := p.aside
	p.aside = nil
	for s := range p.filled {
		if s.parked {
			s.parked = false
			aside = append(aside, s)
		}
	}
	if p.outages.current != nil {
		p.outages.end(false)
	}
	p.mu.Unlock()
	defer p.tellOutages()
	p.epoch.Or(shut)
	p.end()
	p.mu.Lock()
	p.failWaiters(ErrClosed)
	p.mu.Unlock()
	for _, s := range aside {
		defer p.discard(s, ReasonShutdown, nil)
	}
}

// abortHeld closes what is in use under its users' hands.
func (p *Pool[T]) abortHeld() (aborted int) {
	p.mu.Lock()
	var held []*slot[T]
	for s := range p.filled {
		held = append(held, s)
	}
	p.mu.Unlock()
	for _, s := range held {
		if turn := s.turn.Load(); turn&inUse != 0 && p.abortSlot(s, turn) {
			aborted++
		}
	}
	return aborted
}

// abortSlot closes the connection of a slot in use, unless it is released at the
// last moment.
func (p *Pool[T]) abortSlot(s *slot[T], turn uint64) (aborted bool) {
	tell, _ := p.condemn(s, ReasonShutdown, nil)
	defer tell()
	if !s.giveUp(turn) {
		return false
	}
	p.leave()
	s.closing.Store(true)
	p.forget(s)
	p.wg.Go(func() {
		p.unwatch(s)
		p.abort(s.conn)
		p.stopHeartbeat(s)
		p.vacate(s.res)
	})
	return true
}
