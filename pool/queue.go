package pool

import "context"

// A caller that finds no idle connection waits for the first one that comes
// free: released by another, or dialled by whoever dials. That is how nobody
// depends on the dial that was started for him. puddle's own queue is not used:
// it ends with the caller's context only, and a dial would block a place in it.

// waiter is a caller that waits.
type waiter[T any] struct {
	ctx        context.Context // for the dial on its behalf
	ready      chan delivery[T]
	prev, next *waiter[T]
	listed     bool
}

// delivery is the end of a wait.
type delivery[T any] struct {
	slot   *slot[T]
	err    error
	outage uint64 // while it was made, or 0
}

// waitList is the waiting callers, in turn.
type waitList[T any] struct {
	first, last *waiter[T]
	count       int
}

func (l *waitList[T]) len() int { return l.count }

// at returns the waiter with n others before it.
func (l *waitList[T]) at(n int) *waiter[T] {
	w := l.first
	for ; n > 0; n-- {
		w = w.next
	}
	return w
}

// push puts w at the end, or at the head if it has waited already.
func (l *waitList[T]) push(w *waiter[T], head bool) {
	l.count++
	w.listed = true
	switch {
	case l.count == 1:
		l.first, l.last = w, w
	case head:
		w.next, l.first.prev = l.first, w
		l.first = w
	default:
		w.prev, l.last.next = l.last, w
		l.last = w
	}
}

// remove takes w out, and reports whether it was in.
func (l *waitList[T]) remove(w *waiter[T]) bool {
	if w == nil || !w.listed {
		return false
	}
	l.count--
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.ctx, w.listed = nil, nil, nil, false
	return true
}

// enqueue has the caller wait, at the head if it has waited already.
func (p *Pool[T]) enqueue(ctx context.Context, head bool) (*waiter[T], error) {
	if err := ctx.Err(); err != nil {
		return nil, p.waitError(err)
	}
	w, _ := p.idlers.Get().(*waiter[T])
	if w == nil {
		w = &waiter[T]{ready: make(chan delivery[T], 1)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o := p.outages.current; {
	case p.closed:
		return nil, ErrClosed
	case p.config.FailFast && p.reconnector.state == down && o != nil && o.Dial != nil:
		return nil, &unavailableError{dial: o.Dial}
	}
	w.ctx = ctx
	p.waiters.push(w, head)
	p.queued.Store(int64(p.waiters.len()))
	p.outages.waiting(p.waiters.len())
	return w, nil
}

// dequeue takes a waiter out of the queue, and reports whether it was in. The
// caller holds p.mu.
func (p *Pool[T]) dequeue(w *waiter[T]) bool {
	removed := p.waiters.remove(w)
	p.queued.Store(int64(p.waiters.len()))
	return removed
}

// giveUp ends the wait of a caller whose ctx has ended. A connection that was
// on its way to him goes to the next.
func (p *Pool[T]) giveUp(w *waiter[T], ctxErr error) error {
	err := p.waitError(ctxErr)
	p.mu.Lock()
	waiting := p.dequeue(w)
	p.mu.Unlock()
	if !waiting {
		if d := <-w.ready; d.slot != nil {
			p.consider(d.slot)
		}
	}
	p.idlers.Put(w)
	p.nudge() // an outage may end when nobody waits any more
	return err
}

// deliver gives a filled slot to whoever waits longest, and reports whether
// anybody did.
func (p *Pool[T]) deliver(s *slot[T]) bool {
	p.mu.Lock()
	w, outage := p.waiters.first, p.outages.id()
	found := p.dequeue(w)
	p.mu.Unlock()
	if found {
		w.ready <- delivery[T]{slot: s, outage: outage}
	}
	return found
}

// failWaiters ends every wait. The caller holds p.mu.
func (p *Pool[T]) failWaiters(err error) {
	for outage := p.outages.id(); p.waiters.len() > 0; {
		w := p.waiters.first
		p.dequeue(w)
		w.ready <- delivery[T]{err: err, outage: outage}
	}
}
