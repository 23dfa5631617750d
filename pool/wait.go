package pool

import (
	"cmp"
	"context"
	"time"
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
	queued   bool            // in the queue
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
		} else if !p.passes(k, s) {
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
	again := k.queued // then what it had waited for died on the way
	k.queued = true
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
