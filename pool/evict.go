package pool

import (
	"errors"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/giveway"
)

// died is told of a connection's death by the connection itself, or that its
// peer has closed it, on a goroutine that must not be held up.
func (p *Pool[T]) died(s *slot[T], dead *health.DeadError) {
	if dead.Cause == health.LocalClosed && s.probed.Load() {
		return // the check that has closed it will say why
	}
	s.telling.Store(true)
	defer s.telling.Store(false)
	if tell, first := p.markUnfit(s, ReasonDead, dead); first {
		defer p.maintenance.wakeToTidy() // the store, or a check, may have it still
		defer p.closeWhereItIs(s)
		tell()
	}
}

// evict takes a slot that is the caller's out of the pool. It is the one way
// out; but Hijack keeps the connection, and what Shutdown aborts, or what dies
// where nobody has it in hand, is closed there.
func (p *Pool[T]) evict(s *slot[T], reason Reason, dead *health.DeadError) {
	s.move(remove)
	defer p.close(s, true)
	tell, first := p.markUnfit(s, reason, dead)
	if !first {
		s.letTell()
	}
	tell()
}

// letTell gives way until the death is told that somebody is telling: so the Observer
// hears of it while the request is still under way that it hit. A hook may block, or be
// what calls: then it does not.
func (s *slot[T]) letTell() { giveway.While(s.telling.Load) }

// markUnfit makes s unfit and does what a death entails. It reports whether s was
// not unfit before; then the Observer is to be told by tell, which may
// panic: what else there is to do is deferred.
func (p *Pool[T]) markUnfit(s *slot[T], reason Reason, dead *health.DeadError) (tell func(), first bool) {
	return p.markUnfitBy(s, reason, dead, func() bool { s.mark(unfit); return true })
}

// markUnfitBy is markUnfit by mark, which may find that it has come too late.
func (p *Pool[T]) markUnfitBy(s *slot[T], reason Reason, dead *health.DeadError, mark func() bool) (tell func(), first bool) {
	if dead == nil && reason.mayBeOfDeath() && s.vital != nil {
		if known := s.lifeless(); known != nil && known.Cause != health.LocalClosed {
			reason, dead = ReasonDead, known // which the watch was about to tell
		}
	}
	if dead != nil && dead.Cause == health.LocalClosed {
		reason, dead = ReasonClosed, nil // by the T itself, which is no death
	}
	var heard time.Time
	if dead != nil && dead.Cause.Silent() && !s.marked(unfit) && p.dialer.outage() == 0 {
		heard = p.conns.lastHeard(s.remote, dead)
	}
	if !s.setUnfit(reason, dead, mark) {
		return func() {}, false
	}
	p.conns.lost()
	info := EvictInfo{Reason: reason, Err: dead, Conn: s.conn, Age: s.age()}
	if info.InUse = s.held(); info.InUse {
		info.Context = s.holder.context()
	} else {
		p.conns.remove(s)
	}
	p.stats.recycle(reason, dead)
	switch reason {
	case ReasonInvalid:
		info.Detail = p.era.why()
	case ReasonFault:
		info.Detail = s.fault
	}
	begun := false
	if dead != nil {
		begun, info.Outage = p.recordDeath(s, loss{why: dead, heard: heard, age: info.Age, unused: !info.InUse && s.load().use() == 0})
	}
	return func() {
		if begun {
			defer p.dialer.tellOutages(p.config.Observer)
			defer p.dialer.deathTold()
		}
		p.config.Observer.evict(info)
	}, true
}

// mayBeOfDeath reports whether whoever gives that reason may do so because the
// connection has died: a caller whose call has failed, or a Reset.
func (r Reason) mayBeOfDeath() bool {
	return r == ReasonClosed || r == ReasonHijacked || r == ReasonFault
}

// loss is a death, as the dialer wants to know it.
type loss struct {
	why    *health.DeadError
	heard  time.Time // when the endpoint was, on another connection; zero if not
	age    time.Duration
	unused bool // nobody ever had the connection

	rejected, served bool // see rejection
	stale            bool // it was invalidated before
}

// recordDeath draws the consequences of a death: a silent one makes the others that
// lead to the same address suspect. It reports whether an outage begins with it,
// and which one it belongs to.
func (p *Pool[T]) recordDeath(s *slot[T], dead loss) (begun bool, outage uint64) {
	if dead.why.Cause.Silent() {
		for _, sibling := range p.conns.alive(s.remote) {
			if !sibling.held() {
				sibling.mark(needsCheck)
			}
		}
	}
	p.maintenance.untidy.Store(true)
	p.addresses.want() // the name may lead elsewhere now
	dead.rejected, dead.served = p.rejection(s, dead)
	dead.stale = p.stale(s)
	return p.dialer.lost(dead, p.demand)
}

// stale reports whether a slot was invalidated: what becomes of its connection shows
// nothing of the endpoint any more.
func (p *Pool[T]) stale(s *slot[T]) bool { return s.epoch != p.epoch.Load()&^shut }

// detach takes a slot that was hijacked out of the pool without closing its
// connection.
func (p *Pool[T]) detach(s *slot[T]) {
	s.stopTelling()
	s.stopHeartbeat()
	tell, first := p.markUnfit(s, ReasonHijacked, nil)
	if !first {
		s.letTell()
	}
	p.conns.remove(s)
	p.freePlace(s)
	tell()
}

// destruct is what puddle calls for a slot on its stack when it is closed.
func (p *Pool[T]) destruct(s *slot[T]) {
	s.res = resource[T]{} // it is not ours to give back
	if p.own(s) {
		p.evict(s, ReasonShutdown, nil)
	}
}

// putBack returns a slot after its use, which may have been faulty.
func (p *Pool[T]) putBack(s *slot[T], faulty bool) {
	reason, dead := p.unfitness(s)
	switch {
	case reason != "":
		p.evict(s, reason, dead)
	case faulty && p.config.Reset != nil:
		p.checks.reset(s)
	case faulty:
		p.evict(s, ReasonFault, nil)
	case !p.vouched(s):
	default:
		defer p.putIdle(s, used)
		p.config.Observer.release()
	}
}

// unfitness says why a slot must not be handed out, if it must not.
func (p *Pool[T]) unfitness(s *slot[T]) (Reason, *health.DeadError) {
	switch epoch := p.epoch.Load(); {
	case s.marked(unfit):
		return s.why()
	case epoch&shut != 0:
		return ReasonShutdown, nil
	case s.epoch != epoch:
		return ReasonInvalid, nil
	case s.marked(outlived):
		return ReasonLifetime, nil
	case s.marked(moved):
		return ReasonMoved, nil
	}
	if dead := lookAt(s); dead != nil {
		return ReasonDead, dead
	}
	if s.sight == unread {
		return ReasonUnread, nil
	}
	if s.marked(surplus) && p.size.retire(s) {
		return ReasonSurplus, nil
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
	case s.peek != nil:
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
	dead, ok := errors.AsType[*health.DeadError](err)
	if ok && dead != nil {
		return dead
	}
	if ok {
		err = errLifeless // a nil pointer, in an error that is not nil
	}
	if err == nil && (state == health.Alive || state == health.Suspect) {
		return nil
	}
	if err == nil {
		err = errLifeless
	}
	return &health.DeadError{Cause: health.Classify(err), Op: "acquire", Detected: time.Now(), Peer: s.addr, Err: err}
}

// errLifeless is a connection that does not say why it is dead.
var errLifeless = errors.New("pool: the connection says that it is dead, and not why")
