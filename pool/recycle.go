package pool

import (
	"errors"
	"time"

	"example.com/hale/health"
)

// died is told of a connection's death by the connection itself, or that its
// peer has closed it, on a goroutine that must not be held up.
func (p *Pool[T]) died(s *slot[T], dead *health.DeadError) {
	if dead.Cause == health.LocalClosed && s.probed.Load() {
		return // the check that has closed it will say why
	}
	tell, first := p.condemn(s, ReasonDead, dead)
	if !first {
		return
	}
	defer p.nudgeTidy() // puddle may have it still
	if s.isFree() {
		defer func() { p.closeSlot(s, p.unpark(s)) }()
	}
	tell()
}

// condemn makes s unfit and does what a death entails. It reports whether s was
// not condemned before; then the Observer is to be told by tell, which may
// panic: what else there is to do is deferred.
func (p *Pool[T]) condemn(s *slot[T], reason Reason, dead *health.DeadError) (tell func(), first bool) {
	if dead != nil && dead.Cause == health.LocalClosed {
		reason, dead = ReasonClosed, nil // by the T itself, which is no death
	}
	var heard time.Time
	if dead != nil && dead.Cause.Silent() && !s.unfit.Load() {
		heard = p.lastHeard(s.remote, dead)
	}
	p.mu.Lock()
	if s.unfit.Load() {
		p.mu.Unlock()
		return func() {}, false
	}
	s.reason, s.death = reason, dead
	s.unfit.Store(true)
	info := EvictInfo{Reason: reason, Err: dead, Conn: s.conn, Context: s.holder.context(), Age: s.age()}
	if info.InUse = s.held(); !info.InUse {
		info.Context = nil
		delete(p.filled, s)
	}
	p.stats.recycle(reason, dead)
	switch reason {
	case ReasonInvalid:
		info.Detail = p.invalid
	case ReasonFault:
		info.Detail = s.fault
	}
	begun := false
	if dead != nil && !p.closed {
		begun = p.mourn(s, dead, heard)
		info.Outage = p.outages.id()
	}
	p.mu.Unlock()
	return func() {
		if begun {
			defer p.tellOutages()
		}
		p.config.Observer.evict(info)
	}, true
}

// mourn draws the consequences of a death, and reports whether an outage begins
// with it: one of an endpoint that others have heard last at heard. The caller
// holds p.mu.
func (p *Pool[T]) mourn(s *slot[T], dead *health.DeadError, heard time.Time) (begun bool) {
	p.untidy.Store(true) // siblings may be in doubt
	begun = p.outages.death(dead, heard, p.waiters.len())
	young := s.age() < p.config.StableAfter
	p.reconnector.lived(firstSign(dead))
	if begun {
		p.reconnector.asking = asking{}
		p.goDown()
	}
	if young {
		p.reconnector.diedYoung(s.turn.Load() == 0 && s.age() < firstPause, p.wanted() > 0)
	}
	if !dead.Cause.Silent() {
		return begun
	}
	for sibling := range p.filled {
		if sibling.remote == s.remote && !sibling.held() {
			sibling.doubt.Store(true)
		}
	}
	return begun
}

// discard takes a slot that the caller owns out of the pool.
func (p *Pool[T]) discard(s *slot[T], reason Reason, dead *health.DeadError) {
	defer p.closeSlot(s, s.res)
	tell, _ := p.condemn(s, reason, dead)
	tell()
}

// letGo takes a slot out of the pool without closing its connection.
func (p *Pool[T]) letGo(s *slot[T]) {
	s.closing.Store(true) // so that a death leaves it alone
	p.unwatch(s)
	p.stopHeartbeat(s)
	tell, _ := p.condemn(s, ReasonHijacked, nil)
	p.forget(s)
	p.vacate(s.res)
	tell()
}

// forget ends the account of a slot.
func (p *Pool[T]) forget(s *slot[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.filled, s)
}

func (p *Pool[T]) unwatch(s *slot[T]) {
	p.mu.Lock()
	stop := s.unwatch
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// destruct is what puddle calls for an idle slot when the pool is closed.
func (p *Pool[T]) destruct(s *slot[T]) {
	defer p.closeSlot(s, nil)
	tell, _ := p.condemn(s, ReasonShutdown, nil)
	tell()
}

// putBack returns a slot after its use, which may have been faulty.
func (p *Pool[T]) putBack(s *slot[T], faulty bool) {
	reason, dead := p.unfitness(s)
	switch {
	case reason != "":
		p.discard(s, reason, dead)
	case faulty && p.config.Reset != nil:
		p.reset(s)
	case faulty:
		p.discard(s, ReasonFault, nil)
	default:
		defer p.offer(s, used)
		p.config.Observer.release()
	}
}

// unfitness says why a slot must not be handed out, if it must not.
func (p *Pool[T]) unfitness(s *slot[T]) (Reason, *health.DeadError) {
	switch {
	case s.unfit.Load():
		p.mu.Lock()
		defer p.mu.Unlock()
		return s.reason, s.death
	case p.epoch.Load()&shut != 0:
		return ReasonShutdown, nil
	case s.epoch != p.epoch.Load():
		return ReasonInvalid, nil
	case s.expired():
		return ReasonLifetime, nil
	}
	if dead := lookAt(s); dead != nil {
		return ReasonDead, dead
	}
	if s.sight == unread {
		return ReasonUnread, nil
	}
	return "", nil
}

// lookAt asks the connection whether it is dead, and the kernel if the
// connection does not know. Only the slot's owner may.
func lookAt[T any](s *slot[T]) *health.DeadError {
	var err error
	switch {
	case s.vital != nil:
		if dead := s.lifeless(); dead != nil {
			return dead
		}
	case s.peek.raw != nil:
		s.look()
	default:
		err = health.Check(s.conn)
	}
	if dead, ok := errors.AsType[*health.DeadError](err); ok {
		return dead
	}
	return s.end
}

// lifeless is why a connection that knows its own state says that it is not
// alive, in whatever way, or nil. It agrees with fit.
func (s *slot[T]) lifeless() *health.DeadError {
	err, state := s.vital.Err(), s.vital.State()
	if dead, ok := errors.AsType[*health.DeadError](err); ok {
		return dead
	}
	if err == nil && (state == health.Alive || state == health.Suspect) {
		return nil
	}
	if err == nil {
		err = errLifeless
	}
	return &health.DeadError{Cause: health.Classify(err), Op: "acquire", Detected: time.Now(), Peer: s.conn.RemoteAddr(), Err: err}
}

// errLifeless is a connection that does not say why it is dead.
var errLifeless = errors.New("pool: the connection says that it is dead, and not why")

func (s *slot[T]) age() time.Duration { return time.Since(s.opened) }
