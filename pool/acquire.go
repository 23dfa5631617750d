package pool

import (
	"cmp"
	"context"
	"time"
)

// A caller is who is to have a connection.
type caller[T any] struct {
	pool *Pool[T]
	own  context.Context // the caller's
}

// An acquisition is one caller's way to a connection that is not to be had at
// once.
type acquisition[T any] struct {
	caller[T]
	ctx      context.Context // own, or what AcquireStart made of it
	came     int64           // when the caller did, by the clock of the queue
	tried    bool            // nothing was idle a moment ago
	mayCheck bool            // no check has failed this caller yet
	waits    bool            // it has had to wait
	waiting  bool            // and does
	began    time.Time       // of its wait, if anybody asks
	outage   uint64          // that it waits for, or 0
}

// seek looks at one slot after the other, beginning with s if there is one.
func (a *acquisition[T]) seek(s *slot[T]) (_ *slot[T], use uint64, err error) {
	for p := a.pool; ; s = nil {
		if s == nil {
			s = a.idle()
		}
		switch {
		case s == nil:
			return a.queueUp()
		case !a.passes(s):
			continue
		case p.queue.precedes(a.came): // it has had to wait for that look
			p.putIdle(s, unused)
			continue
		}
		if use, err = p.claim(a.own, s); err != errUnfit {
			return s, use, err
		}
		p.revalidate(s)
	}
}

// idle returns an idle slot, or nil if there is none, or others are next.
func (a *acquisition[T]) idle() *slot[T] {
	tried := a.tried
	a.tried = false
	if tried || a.ctx.Err() != nil || a.pool.queue.precedes(a.came) {
		return nil
	}
	return a.pool.takeIdle()
}

// queueUp waits for the next connection that comes free in turn.
func (a *acquisition[T]) queueUp() (s *slot[T], use uint64, err error) {
	a.wait()
	p, since := a.pool, a.pool.queue.now()
	if err := a.ctx.Err(); err != nil {
		return nil, 0, p.waitError(err)
	}
	w, err := p.queue.push(a.ctx, since)
	if err != nil {
		return nil, 0, err
	}
	d := a.await(w)
	p.stats.waited(time.Duration(p.queue.now() - since))
	a.outage = cmp.Or(a.outage, d.outage)
	if d.err == nil {
		p.hold(a.own, d.slot)
	}
	return d.slot, d.use, d.err
}

// await returns the end of the wait of w, which is in the queue until then. It
// leaves the queue if something that it calls panics.
func (a *acquisition[T]) await(w *waiter[T]) (d delivery[T]) {
	p, returned := a.pool, false
	defer func() {
		if !returned {
			a.giveUp(w)
		}
		p.queue.free(w)
	}()
	p.serveWaiters() // with what somebody has put back before w was in the queue
	p.dialForWaiters()
	if err := p.failFast(); err != nil && p.queue.remove(w) {
		d, returned = delivery[T]{err: err, outage: p.outageTold()}, true
		return d
	}
	d = a.sleep(w)
	returned = true
	return d
}

// sleep waits for the end, and looks whenever there may be something.
func (a *acquisition[T]) sleep(w *waiter[T]) delivery[T] {
	for p := a.pool; ; {
		select {
		case d := <-w.told:
			if !d.again {
				return d
			}
			p.queue.looking(w)
			p.serveFirst()
		case <-a.ctx.Done():
			err, outage := p.waitError(a.ctx.Err()), p.outageTold()
			a.giveUp(w)
			p.maintenance.wake() // an outage may end when nobody waits any more
			return delivery[T]{err: err, outage: outage}
		}
	}
}

// giveUp ends the wait of w. A connection that was on its way to it goes to the
// next.
func (a *acquisition[T]) giveUp(w *waiter[T]) {
	if a.pool.queue.remove(w) {
		return
	}
	d := <-w.told
	for d.again {
		d = <-w.told
	}
	if d.slot == nil {
		return
	}
	if _, ours := d.slot.do(reclaim, d.use); ours {
		a.pool.revalidate(d.slot)
	}
}

// serveWaiters gives idle connections to those who wait, in turn.
func (p *Pool[T]) serveWaiters() {
	for p.queue.len() > 0 {
		s := p.takeIdle()
		if s == nil {
			return
		}
		p.revalidate(s)
	}
}

// serveFirst gives an idle connection to the head of the queue, and has the next
// one look if there may be more.
func (p *Pool[T]) serveFirst() {
	s := p.takeIdle()
	if s == nil {
		return
	}
	p.revalidate(s)
	p.queue.wake()
}

// handOver gives a slot that is the pool's to whoever waits longest, and reports
// whether it did.
func (p *Pool[T]) handOver(s *slot[T]) bool {
	if p.queue.len() == 0 || !s.fit(p.epoch.Load()) {
		return false
	}
	use, err := p.claim(context.Background(), s)
	if err != nil {
		return err == ErrClosed
	}
	if p.queue.end(delivery[T]{slot: s, use: use, outage: p.outageTold()}) {
		return true
	}
	_, ours := s.do(reclaim, use)
	return !ours
}

// outageTold is the outage that runs, if there is anybody to be told.
func (p *Pool[T]) outageTold() uint64 {
	if !p.config.Observer.wantsWaits() {
		return 0
	}
	return p.dialer.outage()
}

// wait notes that the caller has to wait, and tells the Observer, once.
func (a *acquisition[T]) wait() {
	if a.waits {
		return
	}
	a.waits, a.waiting = true, true
	n := a.pool.waiting.Add(1)
	if a.pool.tellsAll {
		a.began = time.Now()
	}
	if o := a.pool.config.Observer; o.wantsWaits() {
		a.began = time.Now()
		a.outage = a.pool.dialer.outage()
		a.ctx = o.acquireStart(a.ctx, AcquireStartInfo{Waiting: int(n), Outage: a.outage != 0})
	}
}

// done ends the wait, if there was one, and returns how long it was, if anybody
// asks.
func (a *acquisition[T]) done(err error) (wait time.Duration) {
	if !a.waits {
		return 0
	}
	a.leave()
	if err == nil {
		a.pool.stats.waits.Add(1)
	}
	if a.began.IsZero() {
		return 0
	}
	wait = time.Since(a.began)
	a.pool.config.Observer.acquireDone(a.ctx, AcquireDoneInfo{Wait: wait, Outage: a.outage, Err: err})
	return wait
}

// leave ends the wait, if there is one.
func (a *acquisition[T]) leave() {
	if a.waiting {
		a.waiting = false
		a.pool.waiting.Add(-1)
	}
}
