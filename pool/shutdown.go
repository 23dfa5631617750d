package pool

import "context"

// Shutdown closes the pool in good order: it hands nothing out any more, ends
// every wait with [ErrClosed], and waits until what is in use was released and
// all connections are closed, by Config.Close. When ctx ends it aborts what is
// left, counts what was in use of it, and returns. Then every connection is
// closed and every goroutine of the pool has ended, but for functions of the
// Config that do not return: a Close that goes on after its connection was
// aborted, a PrepareAcquire or an AfterRelease, on their callers' goroutines, and others
// a second after their ctx ended.
// The error is ctx.Err() if anything in use was aborted. It may be called more than
// once and by several goroutines, each of which waits for the end; not by a hook
// of the Observer, nor by Dial, Open, Close, Check, Reset or Resolve.
func (p *Pool[T]) Shutdown(ctx context.Context) (aborted int, err error) {
	defer context.AfterFunc(ctx, p.closer.hasten)()
	return p.shutdown(ctx)
}

// shutdown waits until ctx ends for what is in use.
func (p *Pool[T]) shutdown(ctx context.Context) (aborted int, err error) {
	p.shutDown()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		p.idle.close()
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		aborted, err = p.abortHeld(), ctx.Err()
		p.disown()
		<-gone
	}
	p.wg.Wait()
	p.tellClosed.Do(p.config.Observer.closed)
	if aborted == 0 {
		err = nil
	}
	return aborted, err
}

// Close shuts the pool down at once: what is in use is aborted. It waits for the
// rest to be closed, which takes CloseTimeout and a tenth of a second at most (or the
// second that a function of the Config has to return when its ctx has ended), and may
// be called as [Pool.Shutdown].
func (p *Pool[T]) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = p.shutdown(ctx)
}

// shutDown ends all waiting and dialling, and empties the store.
func (p *Pool[T]) shutDown() {
	p.dialer.close()
	defer p.dialer.tellOutages(p.config.Observer)
	p.epoch.Or(shut)
	p.end()
	p.queue.close(p.outageTold())
	for _, s := range p.maintenance.close() {
		if s.move(readmit) {
			defer p.evict(s, ReasonShutdown, nil)
		}
	}
	for _, s := range p.conns.those(func(s *slot[T]) bool { return s.is(parked) }) {
		if s.move(unpark) {
			defer p.evict(s, ReasonShutdown, nil)
		}
	}
	p.evictIdle()
}

// abortHeld closes what is in use under its users' hands.
func (p *Pool[T]) abortHeld() (aborted int) {
	for _, s := range p.conns.held() {
		if p.abortSlot(s) {
			aborted++
		}
	}
	return aborted
}

// abortSlot closes the connection of a slot in use, unless it is released at the
// last moment.
func (p *Pool[T]) abortSlot(s *slot[T]) (aborted bool) {
	tell, _ := p.markUnfit(s, ReasonShutdown, nil)
	defer tell()
	if !s.move(abort) {
		return false
	}
	p.callers.leave()
	p.abortAway(s)
	return true
}

// abortAway closes the connection of a slot that has left the pool, and that
// somebody uses still.
func (p *Pool[T]) abortAway(s *slot[T]) {
	p.conns.remove(s)
	p.wg.Go(func() {
		s.stopTelling()
		abortConn(s.conn)
		s.stopHeartbeat()
		p.freePlace(s)
	})
}
