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
	ctx      context.Context
	tried    bool      // nothing was idle a moment ago
	mayCheck bool      // no check has failed this caller yet
	began    time.Time // of its wait; zero while it had no need to
	outage   uint64    // that it waits for, or 0
}

// seek looks at one slot after the other, beginning with s if there is one.
func (k *seeker[T]) seek(s *slot[T]) (_ *slot[T], turn uint64, err error) {
	for p := k.pool; ; s = nil {
		if s == nil {
			if s, err = k.next(); err != nil {
				return nil, 0, err
			}
		}
		if s.conn == nil {
			if s, err = k.queueUp(s.res); err != nil {
				return nil, 0, err
			}
		} else if !p.passes(k.ctx, s, &k.mayCheck) {
			continue
		}
		if turn, err = p.claim(k.ctx, s); err != errUnfit {
			return s, turn, err
		}
		p.consider(s)
	}
}

// next returns an idle slot at once, or waits for one or for room for another.
func (k *seeker[T]) next() (*slot[T], error) {
	p := k.pool
	if err := k.ctx.Err(); err != nil {
		return nil, p.waitError(err)
	}
	res, err := (*puddle.Resource[*slot[T]])(nil), error(nil)
	if !k.tried {
		res, err = p.slots.TryAcquire(p.only)
	}
	if k.tried || err != nil {
		k.wait()
		if err := p.failsFast(); err != nil {
			return nil, err
		}
		res, err = p.takePlace(k.ctx)
	}
	k.tried = false
	switch ctxErr := k.ctx.Err(); {
	case err == nil:
		s := res.Value()
		s.res = res
		return s, nil
	case ctxErr != nil:
		return nil, p.waitError(ctxErr)
	}
	return nil, ErrClosed
}

// wait notes that the caller has to wait, and tells the Observer, once.
func (k *seeker[T]) wait() {
	if !k.began.IsZero() {
		return
	}
	k.began = time.Now()
	n := k.pool.waiting.Add(1)
	if o := k.pool.config.Observer; o.wantsWaits() {
		k.outage = k.pool.outageID()
		k.ctx = o.acquireStart(k.ctx, AcquireStartInfo{Waiting: int(n), Outage: k.outage != 0})
	}
}

// done ends the wait, if there was one.
func (k *seeker[T]) done(err error) {
	if k.began.IsZero() {
		return
	}
	p, took := k.pool, time.Since(k.began)
	p.waiting.Add(-1)
	if err == nil {
		p.waits.Add(1)
		p.waitTime.Add(int64(took))
	}
	p.config.Observer.acquireDone(k.ctx, AcquireDoneInfo{Wait: took, Outage: k.outage, Err: err})
}

// takePlace takes its turn with puddle, until ctx or the pool ends.
func (p *Pool[T]) takePlace(ctx context.Context) (*puddle.Resource[*slot[T]], error) {
	if ctx.Done() == nil {
		return p.slots.Acquire(p.life)
	}
	joined, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	return p.slots.Acquire(joined)
}

// waitError is why a caller's wait ended in nothing.
func (p *Pool[T]) waitError(ctxErr error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.outages.current; o != nil && o.Dial != nil {
		return &unavailableError{dial: o.Dial, ctx: ctxErr}
	}
	return unsent(ctxErr)
}

// failsFast is why nobody needs to wait, with FailFast.
func (p *Pool[T]) failsFast() error {
	if !p.config.FailFast {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.outages.current; p.down && o != nil && o.Dial != nil {
		return &unavailableError{dial: o.Dial}
	}
	return nil
}

func (p *Pool[T]) outageID() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outages.id()
}

// A caller that finds no idle connection brings an empty place and waits for
// the first connection that comes free: released by another, or dialled by
// whoever dials. That is how nobody depends on the dial that was started for
// him. Dials take the places that the waiting callers brought; a place that
// neither needs any more goes back.

// waiter is a caller that waits.
type waiter[T any] struct {
	ctx   context.Context // for the dial on its behalf
	ready chan delivery[T]
}

// delivery is the end of a wait.
type delivery[T any] struct {
	slot   *slot[T]
	err    error
	outage uint64 // while it was made, or 0
}

// waitList is the waiting callers, in turn.
type waitList[T any] struct{ queue []*waiter[T] }

func (l *waitList[T]) push(w *waiter[T]) { l.queue = append(l.queue, w) }

func (l *waitList[T]) pop() *waiter[T] {
	if len(l.queue) == 0 {
		return nil
	}
	w := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return w
}

func (l *waitList[T]) remove(w *waiter[T]) bool {
	i := slices.Index(l.queue, w)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	return true
}

func (l *waitList[T]) len() int { return len(l.queue) }

// queueUp waits for a connection, with an empty place to offer.
func (k *seeker[T]) queueUp(place *puddle.Resource[*slot[T]]) (*slot[T], error) {
	k.wait()
	p := k.pool
	err := p.failsFast()
	w := (*waiter[T])(nil)
	if err == nil {
		w, err = p.enqueue(k.ctx, place)
	}
	if err != nil {
		p.leavePlace(place)
		return nil, err
	}
	p.feed() // somebody may have released one before we stood in the queue
	select {
	case d := <-w.ready:
		k.outage = cmp.Or(k.outage, d.outage)
		return d.slot, d.err
	case <-k.ctx.Done():
		k.outage = cmp.Or(k.outage, p.outageID())
		return nil, p.giveUp(w, k.ctx.Err())
	}
}

func (p *Pool[T]) enqueue(ctx context.Context, place *puddle.Resource[*slot[T]]) (*waiter[T], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	w := &waiter[T]{ctx: ctx, ready: make(chan delivery[T], 1)}
	p.waiters.push(w)
	p.free = append(p.free, place)
	p.queued.Store(int64(p.waiters.len()))
	p.outages.waiting(p.waiters.len())
	return w, nil
}

// giveUp ends the wait of a caller whose ctx has ended. A connection that was
// on its way to him goes to the next.
func (p *Pool[T]) giveUp(w *waiter[T], ctxErr error) error {
	err := p.waitError(ctxErr)
	p.mu.Lock()
	waiting := p.waiters.remove(w)
	p.dropSurplus()
	p.mu.Unlock()
	if !waiting {
		if d := <-w.ready; d.slot != nil {
			p.consider(d.slot)
		}
	}
	p.nudge() // an outage may end when nobody waits any more
	return err
}

// deliver gives a filled slot to whoever waits longest, and reports whether
// anybody did.
func (p *Pool[T]) deliver(s *slot[T]) bool {
	p.mu.Lock()
	w := p.waiters.pop()
	outage := p.outages.id()
	if w != nil {
		p.dropSurplus()
	}
	p.mu.Unlock()
	if w == nil {
		return false
	}
	w.ready <- delivery[T]{slot: s, outage: outage}
	return true
}

// sweep has f deal with every idle slot, those that were used last in the end:
// so they lie on top again. Nothing is dialled for those who find nothing idle
// meanwhile.
func (p *Pool[T]) sweep(f func(s *slot[T])) {
	p.mu.Lock()
	p.sweeping++
	p.mu.Unlock()
	for _, res := range slices.Backward(p.slots.AcquireAllIdle()) {
		s := res.Value()
		if s.conn == nil {
			p.leavePlace(res)
			continue
		}
		s.res = res
		f(s)
	}
	p.mu.Lock()
	p.sweeping--
	p.startDials()
	p.mu.Unlock()
}

// feed gives idle connections to those who wait for a dial, who may dial if
// there are none.
func (p *Pool[T]) feed() { p.sweep(p.consider) }

// offer gives a free slot to whoever waits, or else to everybody.
func (p *Pool[T]) offer(s *slot[T], after afterwards) {
	switch {
	case p.queued.Load() > 0 && s.fit(p.epoch.Load()) && p.deliver(s):
		return
	case after == used:
		s.res.Release()
	default:
		s.res.ReleaseUnused()
	}
	// Whoever condemned it a moment ago, or began to wait, may not have seen
	// it idle.
	if s.unfit.Load() || s.doubt.Load() {
		p.nudge()
	}
	if p.queued.Load() > 0 {
		p.feed()
	}
}

// afterwards says whether a slot's idle time begins anew.
type afterwards bool

const (
	used   afterwards = true
	unused afterwards = false
)

// leavePlace gives an empty place back, or that of a slot which is done with.
// Unlike puddle's Destroy it is done with on return.
func (p *Pool[T]) leavePlace(place *puddle.Resource[*slot[T]]) {
	place.Hijack()
	signal(p.room)
}

// dropSurplus gives back the places that more dials than callers would need.
// The caller holds p.mu and has changed the number of callers.
func (p *Pool[T]) dropSurplus() {
	p.queued.Store(int64(p.waiters.len()))
	for len(p.free) > 0 && len(p.free)+p.dialing-p.refills > p.waiters.len() {
		place := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.leavePlace(place)
	}
}

// failWaiters ends every wait.
func (p *Pool[T]) failWaiters(err error) {
	p.mu.Lock()
	queue, outage := p.waiters.queue, p.outages.id()
	p.waiters.queue = nil
	p.dropSurplus()
	p.mu.Unlock()
	for _, w := range queue {
		w.ready <- delivery[T]{err: err, outage: outage}
	}
}
