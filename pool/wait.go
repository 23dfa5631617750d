package pool

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/puddle/v2"
)

// A seeker is one caller's way to a connection.
type seeker[T any] struct {
	pool     *Pool[T]
	own      context.Context // the caller's
	ctx      context.Context // the same, or what AcquireStart made of it
	tried    bool            // nothing was idle a moment ago
	mayCheck bool            // no check has failed this caller yet
	waits    bool            // it has had to wait
	waiting  bool            // and does
	began    time.Time       // of its wait, if anybody asks
	outage   uint64          // that it waits for, or 0
}

// seek looks at one slot after the other, beginning with s if there is one.
func (k *seeker[T]) seek(s *slot[T]) (_ *slot[T], turn uint64, err error) {
	for p := k.pool; ; s = nil {
		if s == nil {
			s = k.idle()
		}
		if s == nil {
			if s, err = k.queueUp(); err != nil {
				return nil, 0, err
			}
		} else if !p.passes(k.ctx, s, &k.mayCheck) {
			continue
		}
		if turn, err = p.claim(k.own, s); err != errUnfit {
			return s, turn, err
		}
		p.consider(s)
	}
}

// idle returns an idle slot, or nil if there is none, or others wait for it.
func (k *seeker[T]) idle() *slot[T] {
	tried := k.tried
	k.tried = false
	if tried || k.ctx.Err() != nil || k.pool.queued.Load() > 0 {
		return nil
	}
	return k.pool.takeIdle()
}

// queueUp waits for the next connection that comes free in turn.
func (k *seeker[T]) queueUp() (*slot[T], error) {
	again := k.waits // then what it had waited for died on the way
	k.wait()
	p, start := k.pool, time.Now()
	w, err := p.enqueue(k.ctx, again)
	if err != nil {
		return nil, err
	}
	p.serve(w)
	select {
	case d := <-w.ready:
		p.idlers.Put(w)
		p.waitTime.Add(int64(time.Since(start)))
		k.outage = cmp.Or(k.outage, d.outage)
		return d.slot, d.err
	case <-k.ctx.Done():
		p.waitTime.Add(int64(time.Since(start)))
		k.outage = cmp.Or(k.outage, p.outageID())
		return nil, p.giveUp(w, k.ctx.Err())
	}
}

// serve gives w what somebody may have released before it stood in the queue,
// and dials for it. It leaves the queue if that panics.
func (p *Pool[T]) serve(w *waiter[T]) {
	returned := false
	defer func() {
		if !returned {
			_ = p.giveUp(w, nil)
		}
	}()
	p.feed()
	p.dialForWaiters()
	returned = true
}

// wait notes that the caller has to wait, and tells the Observer, once.
func (k *seeker[T]) wait() {
	if k.waits {
		return
	}
	k.waits, k.waiting = true, true
	n := k.pool.waiting.Add(1)
	if o := k.pool.config.Observer; o.wantsWaits() {
		k.began = time.Now()
		k.outage = k.pool.outageID()
		k.ctx = o.acquireStart(k.ctx, AcquireStartInfo{Waiting: int(n), Outage: k.outage != 0})
	}
}

// done ends the wait, if there was one.
func (k *seeker[T]) done(err error) {
	if !k.waits {
		return
	}
	k.leave()
	if err == nil {
		k.pool.waits.Add(1)
	}
	if o := k.pool.config.Observer; o.wantsWaits() {
		o.acquireDone(k.ctx, AcquireDoneInfo{Wait: time.Since(k.began), Outage: k.outage, Err: err})
	}
}

// leave ends the wait, if there is one.
func (k *seeker[T]) leave() {
	if k.waiting {
		k.waiting = false
		k.pool.waiting.Add(-1)
	}
}

// waitError is why a caller's wait ended in nothing.
func (p *Pool[T]) waitError(ctxErr error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o := p.outages.current; {
	case o != nil:
		return &unavailableError{dial: o.Dial, ctx: ctxErr}
	case ctxErr == context.DeadlineExceeded && p.dialing > 0 && len(p.filled) == 0:
		return &unavailableError{ctx: ctxErr} // the first dial hangs
	}
	return unsent(ctxErr)
}

func (p *Pool[T]) outageID() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outages.id()
}

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

// takeIdle returns an idle slot, which is then the caller's, or nil.
func (p *Pool[T]) takeIdle() *slot[T] {
	for {
		res, err := p.slots.TryAcquire(p.only)
		if err != nil {
			return nil
		}
		if s := p.own(res); s != nil {
			return s
		}
	}
}

// feed gives idle connections to those who wait.
func (p *Pool[T]) feed() {
	for p.queued.Load() > 0 {
		s := p.takeIdle()
		if s == nil {
			return
		}
		p.consider(s)
	}
}

// sweep has f deal with every idle slot that is not being probed, those that
// were used last in the end: so they lie on top again. Nothing is dialled for
// those who find nothing idle meanwhile.
func (p *Pool[T]) sweep(f func(s *slot[T])) {
	p.mu.Lock()
	p.sweeping++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sweeping--
		p.startDials()
	}()
	p.forEach(p.slots.AcquireAllIdle(), f)
}

// forEach has f deal with slots that puddle has given, the last one first, and
// gives those back that f, which may panic, does not come to.
func (p *Pool[T]) forEach(all []*puddle.Resource[*slot[T]], f func(s *slot[T])) {
	left := len(all)
	defer func() {
		for _, res := range slices.Backward(all[:left]) {
			if s := p.own(res); s != nil {
				p.offer(s, unused)
			}
		}
	}()
	for left > 0 {
		left--
		if s := p.own(all[left]); s != nil {
			f(s)
		}
	}
}

// offer gives a free slot to whoever waits, or else to everybody.
func (p *Pool[T]) offer(s *slot[T], after afterwards) {
	switch {
	case p.queued.Load() > 0 && s.fit(p.epoch.Load()) && p.deliver(s):
		return
	case after == used:
		s.unlock(used)
		s.res.Release()
	default:
		s.unlock(unused)
		s.res.ReleaseUnused()
	}
	// Whoever condemned it a moment ago, or began to wait, may not have seen
	// it idle.
	if s.unfit.Load() || s.doubt.Load() {
		p.nudge()
	}
	p.feed()
}

// afterwards says whether a slot's idle time begins anew.
type afterwards bool

const (
	used   afterwards = true
	unused afterwards = false
)

// failWaiters ends every wait. The caller holds p.mu.
func (p *Pool[T]) failWaiters(err error) {
	for outage := p.outages.id(); p.waiters.len() > 0; {
		w := p.waiters.first
		p.dequeue(w)
		w.ready <- delivery[T]{err: err, outage: outage}
	}
}
