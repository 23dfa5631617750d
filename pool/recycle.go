package pool

import (
	"errors"
	"net"
	"time"

	"github.com/jackc/puddle/v2"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
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
	defer p.nudge()
	if !s.held() {
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
	info := EvictInfo{Reason: reason, Err: dead, Conn: s.conn, InUse: s.held(), Age: s.age()}
	if !info.InUse {
		delete(p.filled, s)
	}
	p.stats.recycle(reason, dead)
	switch reason {
	case ReasonInvalid:
		info.Detail = p.invalid
	case ReasonFault:
		info.Detail = s.fault
	}
	begun := dead != nil && !p.closed && p.mourn(s, dead, heard)
	p.mu.Unlock()
	if info.InUse {
		info.Context = s.holder.context()
	}
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

// closeSlot closes the connection in the background, once: as the Config says,
// after an abort if it is known to be dead. The place, if the caller has it to
// give, comes free when the connection is closed.
func (p *Pool[T]) closeSlot(s *slot[T], place *puddle.Resource[*slot[T]]) {
	p.wg.add() // before anybody can see that the slot is being closed, and wait for it
	if s.closing.Swap(true) {
		p.wg.done()
		p.vacate(place)
		return
	}
	p.forget(s)
	p.mu.Lock()
	dead := s.death != nil
	p.mu.Unlock()
	go func() {
		defer p.wg.done()
		p.unwatch(s)
		if dead {
			p.abort(s.conn) // also under a probe, which may not notice otherwise
		}
		p.stopHeartbeat(s)
		if dead {
			p.vacate(place)
			place = nil
		}
		closed := run(func() { p.closeGently(s, dead) })
		if !await(closed, p.config.CloseTimeout, p.hurried) {
			p.abort(s.conn)
			await(closed, abortedAfter, nil)
		}
		p.vacate(place)
	}()
}

// closeGently is Config.Close, or else the connection's.
func (p *Pool[T]) closeGently(s *slot[T], dead bool) {
	switch {
	case p.config.Close != nil && p.closeValue(s.value) && !dead:
		_ = guard("Close", s.conn.Close)
	case p.config.Close == nil && !dead:
		_ = guard("Close", s.conn.Close)
	}
}

// closeValue is Config.Close, if there is one. There is nobody to tell of its
// error. It reports whether it did not return, so that the connection may not be
// closed yet.
func (p *Pool[T]) closeValue(value T) (panicked bool) {
	if p.config.Close == nil {
		return false
	}
	_, panicked = errors.AsType[*PanicError](guard("Close", func() error { return p.config.Close(value) }))
	return panicked
}

// vacate gives a place back, if there is one, and has it filled again.
func (p *Pool[T]) vacate(place *puddle.Resource[*slot[T]]) {
	if place == nil {
		return
	}
	place.Hijack() // unlike Destroy it is done with on return
	p.mu.Lock()
	p.places--
	p.startDials()
	p.mu.Unlock()
	signal(p.room)
	p.nudge()
}

// abort closes conn at once: the peer is sent no more than a RST, what is left to
// send is forgotten, and the socket goes before those who would say goodbye on
// it, as TLS does. It does not wait for long for those.
func (p *Pool[T]) abort(conn net.Conn) {
	type socket interface {
		SetLinger(sec int) error
		Close() error
	}
	await(run(func() {
		_ = guard("Close", func() error {
			if c, ok := netconn.Find[socket](conn); ok {
				_ = c.SetLinger(0)
				_ = c.Close()
			}
			return conn.Close()
		})
	}), abortedAfter, nil)
}

// abortedAfter is how long it may take to return from a Close of what was
// aborted.
const abortedAfter = 100 * time.Millisecond

// run runs f, and closes done at its end.
func run(f func()) (done <-chan struct{}) {
	c := make(chan struct{})
	go func() {
		defer close(c)
		f()
	}()
	return c
}

// await waits for done, at most for so long and until hurried is closed, and
// reports whether it is closed.
func await(done <-chan struct{}, longest time.Duration, hurried <-chan struct{}) bool {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-hurried:
	}
	select {
	case <-done: // just then
		return true
	default:
		return false
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
		err = s.vital.Err()
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

func (s *slot[T]) age() time.Duration { return time.Since(s.opened) }
