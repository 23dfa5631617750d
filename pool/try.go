package pool

import "context"

// TryAcquire returns an idle connection that is well and needs no check, or false
// if there is none at once. It never waits, dials or checks, and does not go
// before a caller of Acquire that has waited for 100 µs. It is false, too, if
// ctx has ended, MaxWaiters callers wait, or the pool is closed. What it returns
// counts as acquired, and is released or closed as ever.
//
// ctx is for PrepareAcquire, if that is set, which takes its time and may fail
// for at most MaxConns+1 connections in a row; and the Observer is told it if the
// connection dies in use.
func (p *Pool[T]) TryAcquire(ctx context.Context) (c Conn[T], ok bool) {
	if ctx.Err() != nil || !p.callers.enter(p.dialer) {
		return c, false
	}
	by, returned := caller[T]{p, ctx}, false
	defer func() {
		switch {
		case c.slot == nil:
			p.callers.leave()
		case !returned: // a hook panicked
			c.Release()
		}
	}()
	for failures := 0; failures <= p.dialer.most(); failures++ {
		by.seize(&c)
		if c.slot == nil || by.prepareThis(&c) {
			break
		}
	}
	if c.slot != nil {
		p.acquires.add(1)
	}
	returned = true
	return c, c.slot != nil
}

// prepareThis is prepare, and c the zero Conn while it lasts, and if it fails.
func (by caller[T]) prepareThis(c *Conn[T]) bool {
	got := *c
	*c = Conn[T]{}
	if by.prepare(got.slot, got.use) != nil {
		return false
	}
	*c = got
	return true
}

// seize makes c the first idle connection that can be had at once, if there is
// one. Those before it go back in the end, or to a check, or out.
func (by caller[T]) seize(c *Conn[T]) {
	p := by.pool
	for skipped := false; !p.queue.strict(); skipped = true {
		s := p.takeIdle()
		if s == nil {
			return
		}
		switch use, err := by.claimSound(s); err {
		case nil:
			*c = Conn[T]{pool: p, slot: s, use: use}
			return
		case errUnfit:
		default:
			return // the pool is closed
		}
		if !skipped {
			defer p.pauseDials()()
		}
		defer p.revalidate(s) // or else it would come again
	}
}

// pauseDials has nothing dialled for those who find nothing idle, until resume.
func (p *Pool[T]) pauseDials() (resume func()) {
	p.dialer.sweep(1)
	return func() {
		p.dialer.sweep(-1)
		p.dialForWaiters()
	}
}

// claimSound is claim of a slot that is the pool's and may have to be looked at.
func (by caller[T]) claimSound(s *slot[T]) (use uint64, err error) {
	if !by.pool.sound(s) {
		return 0, errUnfit
	}
	return by.pool.claim(by.own, s)
}

// sound reports whether a slot that is the pool's can be used as it is, without a
// check.
func (p *Pool[T]) sound(s *slot[T]) bool {
	s.look()
	if reason, _ := p.unfitness(s); reason != "" || s.dubious() {
		return false
	}
	if !s.checkable {
		s.unmark(needsCheck)
	}
	return !s.checkable || !s.needsCheck(p.config.CheckAfter)
}

// AcquireAllIdle returns every connection that TryAcquire would, those first that
// were used longest ago: to ping them, or to close them in turn. Who waits in
// Acquire has what it needs of them first, and nothing is dialled meanwhile; but who
// comes later finds nothing idle until they are released, and is dialled for if
// there is room. MaxWaiters does not stop it; what it returns counts as acquired,
// and each of them is to be released or closed. Nil is none.
//
// ctx is as for TryAcquire; those whose PrepareAcquire fails are left out.
func (p *Pool[T]) AcquireAllIdle(ctx context.Context) (all []Conn[T]) {
	if ctx.Err() != nil {
		return nil
	}
	var seized []Conn[T]
	by, returned := caller[T]{p, ctx}, false
	defer func() {
		if !returned { // a hook panicked
			releaseAll(append(all, seized...))
		}
	}()
	p.sweep(func(s *slot[T]) {
		if c, ok := by.seizeThis(s); ok {
			seized = append(seized, c)
		}
	})
	for len(seized) > 0 {
		c := seized[0]
		seized = seized[1:]
		if by.prepareOrLeave(c) {
			all = append(all, c)
		}
	}
	p.acquires.add(int64(len(all)))
	returned = true
	return all
}

// prepareOrLeave is prepare for a caller that has as many as it likes.
func (by caller[T]) prepareOrLeave(c Conn[T]) (ok bool) {
	defer func() {
		if !ok {
			by.pool.callers.leave()
		}
	}()
	return by.prepare(c.slot, c.use) == nil
}

// seizeThis takes a slot that is the pool's, unless somebody waits for one or it
// cannot be had at once.
func (by caller[T]) seizeThis(s *slot[T]) (c Conn[T], ok bool) {
	p, use, err := by.pool, uint64(0), errUnfit
	if p.queue.len() == 0 {
		use, err = by.claimSound(s)
	}
	switch err {
	case nil:
		p.callers.join()
		return Conn[T]{pool: p, slot: s, use: use}, true
	case errUnfit:
		p.revalidate(s)
	}
	return c, false
}

// releaseAll releases all, also if a hook panics.
func releaseAll[T any](all []Conn[T]) {
	for _, c := range all {
		defer c.Release()
	}
}
