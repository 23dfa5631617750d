package pool

import (
	"runtime/debug"
)

// prepareError is an Acquire for which PrepareAcquire has failed too often.
type prepareError struct{ err error } // of the last time

func (e *prepareError) Error() string { return "pool: PrepareAcquire: " + e.err.Error() }
func (e *prepareError) Unwrap() error { return e.err }

// SafeToRetry is true, whatever err says: what PrepareAcquire has sent was no
// request.
func (e *prepareError) SafeToRetry() bool { return true }

// find is seek, until PrepareAcquire has passed a connection, if it is set.
func (a *acquisition[T]) find(s *slot[T]) (_ *slot[T], use uint64, err error) {
	for failures := 0; ; s = nil {
		if s, use, err = a.seek(s); err != nil {
			return nil, 0, err
		}
		switch err = a.prepare(s, use); err.(type) {
		case nil:
			return s, use, nil
		case *prepareError:
			if failures++; failures <= a.pool.dialer.most() {
				continue
			}
		}
		if err != errUnfit {
			return nil, 0, err
		}
	}
}

// prepare calls PrepareAcquire, if it is set, for a caller who is about to get a
// slot that was claimed for him. If there is an error, the slot is on its way out,
// or back, and he has nothing: errUnfit if it is no affair of PrepareAcquire's, a
// *prepareError, or that of ctx.
func (by caller[T]) prepare(s *slot[T], use uint64) error {
	p, ctx := by.pool, by.own
	if p.config.PrepareAcquire == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return by.takeBack(s, use, unsent(err), func() { p.revalidate(s) })
	}
	ended := func(why error) { _ = by.takeBack(s, use, nil, func() { p.evictFaulty(s, why) }) }
	failed := callGuarded("PrepareAcquire", func() error { return p.config.PrepareAcquire(ctx, s.value) }, ended)
	switch {
	case failed == nil && s.epoch == p.epoch.Load() && !s.marked(unfit) && s.well():
		s.prepared()
		return nil
	case failed == nil:
		return by.takeBack(s, use, errUnfit, func() { p.revalidate(s) })
	case ctx.Err() != nil:
		return by.takeBack(s, use, unsent(ctx.Err()), func() { p.putBack(s, true) })
	}
	return by.takeBack(s, use, &prepareError{failed}, func() { p.evictFaulty(s, failed) })
}

// prepared begins the account of what is sent: what PrepareAcquire has sent is no
// part of the request.
func (s *slot[T]) prepared() {
	s.served = true
	s.written.Store(s.meter.Written())
}

// takeBack ends a use that its caller has not begun, has then see to the slot,
// and returns err; or else the pool has taken it away, and is closed.
func (by caller[T]) takeBack(s *slot[T], use uint64, err error, then func()) error {
	if _, ours := s.do(reclaim, use); !ours {
		return ErrClosed
	}
	if by.pool.holds {
		s.holder.clear()
	}
	then()
	return err
}

// evictFaulty takes a slot out of the pool for which a function of the Config has
// failed, unless it has died.
func (p *Pool[T]) evictFaulty(s *slot[T], err error) {
	reason, dead := p.unfitness(s)
	if reason == "" {
		reason, s.fault = ReasonFault, faultText(err)
	}
	p.evict(s, reason, dead)
}

// callGuarded calls f, which calls a function of the Config that runs on its
// caller's goroutine, and returns a [PanicError] if it panics. If it ends the
// goroutine, ended is called with one.
func callGuarded(name string, f func() error, ended func(error)) (err error) {
	returned := false
	defer func() {
		switch value := recover(); {
		case value != nil:
			err = &PanicError{Func: name, Value: value, Stack: debug.Stack()}
		case !returned:
			ended(&PanicError{Func: name, Stack: debug.Stack()})
		}
	}()
	err = f()
	returned = true
	return err
}
