package pool

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/netconn"
)

// passes takes a closer look at a slot that a caller has come upon. If it does
// not pass, it is on its way out, quarantined or being checked when passes returns.
func (a *acquisition[T]) passes(s *slot[T]) bool {
	p := a.pool
	s.look() // unread bytes are seen before a check reads them
	reason, dead := p.unfitness(s)
	switch {
	case reason != "":
		p.evict(s, reason, dead)
		return false
	case s.dubious():
		p.maintenance.isolate(s)
		return false
	case !s.needsCheck(p.config.CheckAfter):
		return true
	case !s.checkable:
		s.unmark(needsCheck)
		return true
	case !a.mayCheck:
		// One check has failed this caller already. Those that are left are
		// checked beside each other, and it waits like everybody.
		p.checks.background(s)
		return false
	}
	a.mayCheck = false
	return a.checkFor(s)
}

// needsCheck reports whether a slot is to be checked before it is used, or has been
// without proof for longer than after, Config.CheckAfter.
func (s *slot[T]) needsCheck(after time.Duration) bool {
	return s.marked(needsCheck) || after > 0 && s.unproved() > after
}

// dubious reports whether the kernel waits for the peer.
func (s *slot[T]) dubious() bool {
	return s.suspect() || s.marked(needsCheck) && s.waits()
}

// waits reports whether the peer leaves anything unanswered.
func (s *slot[T]) waits() bool {
	_, waits := s.unanswered()
	return waits || s.suspect()
}

// checkFor checks s for a caller, who leaves when half of his time is over:
// the other half is for what a hung check does not tell.
func (a *acquisition[T]) checkFor(s *slot[T]) bool {
	p := a.pool
	patience := p.config.CheckTimeout
	if deadline, ok := a.ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)/2)
	}
	start := time.Now()
	waiting, leave := context.WithTimeout(a.ctx, patience)
	defer leave()
	passed := make(chan bool)
	p.wg.Go(func() {
		ok := p.checks.probe(s, p.config.checkOf(s.conn), ReasonSuspect)
		select {
		case passed <- ok:
		case <-waiting.Done():
			if ok {
				p.putIdle(s, unused)
			}
		}
	})
	a.wait()
	defer func() { p.stats.waited(time.Since(start)) }()
	select {
	case ok := <-passed:
		return ok
	case <-waiting.Done():
		return false
	}
}

// checks asks the connections that are in doubt, and acts on what they say.
type checks[T any] struct{ pool *Pool[T] }

// background checks s with nobody waiting for it.
func (c checks[T]) background(s *slot[T]) {
	p := c.pool
	p.wg.Go(func() {
		if c.probe(s, p.config.checkOf(s.conn), ReasonSuspect) {
			p.putIdle(s, unused)
		}
	})
}

// one has one idle connection checked, if a Check can tell whether the endpoint
// serves.
func (c checks[T]) one() {
	if c.pool.config.Check == nil {
		return
	}
	if s := c.pool.takeIdle(); s != nil {
		c.background(s)
	}
}

// reset has Config.Reset vouch for a slot that was released after a fault.
func (c checks[T]) reset(s *slot[T]) {
	p := c.pool
	p.wg.Go(func() {
		if !c.probe(s, p.config.Reset, ReasonFault) {
			return
		}
		if s.look() == unread {
			p.evict(s, ReasonUnread, nil)
			return
		}
		defer p.putIdle(s, used)
		p.config.Observer.release()
	})
}

// probe runs check on a slot that the caller owns, and discards the slot if it
// fails.
func (c checks[T]) probe(s *slot[T], check func(context.Context, T) error, why Reason) bool {
	p := c.pool
	if why == ReasonSuspect && s.look() != clean { // Check would take what lies there for its answer
		if reason, dead := p.unfitness(s); reason != "" {
			p.evict(s, reason, dead)
			return false
		}
	}
	refusals := p.refusals.Load()
	start := time.Now() // before the deadline is set: a silence is no shorter than that allows
	ctx, cancel := awake.WithTimeout(p.era.current(), p.config.CheckTimeout)
	defer cancel()
	s.probed.Store(true)
	defer s.probed.Store(false)
	_, err := within(ctx, s.conn, why.check(), func() (struct{}, error) { return struct{}{}, check(ctx, s.value) }, nil)
	if err == nil {
		s.prove()
		if p.config.Check != nil { // a kernel's answer would be no reply
			s.answered.Store(refusals)
		}
		s.checked = true
		return true
	}
	if p.stale(s) {
		p.evict(s, ReasonInvalid, nil)
		return false
	}
	if why == ReasonFault {
		s.fault = faultText(err)
	}
	if err == errUnanswered { // the connection's own watch judges that
		p.maintenance.isolate(s)
		return false
	}
	p.evict(s, why, c.deathOf(s, why, err, waited(ctx, start)))
	return false
}

// faultText says what Reset failed with.
func faultText(err error) string {
	text := err.Error()
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		text += "\n" + string(panicked.Stack)
	}
	return text
}

// waited is for how long a check under ctx was waited for since start, by a
// process that was awake.
func waited(ctx context.Context, start time.Time) time.Duration {
	return max(0, time.Since(start)-awake.Missed(ctx))
}

// pinger is a connection that can ask the kernel at its other end, as a hale.Conn
// can on Linux.
type pinger interface {
	Info() (health.Info, error)
	Ping(ctx context.Context) (time.Duration, error)
}

// justHeard is for how long a peer that was heard need not be asked; a kernel
// could not be made to ask it sooner.
const justHeard = time.Second

// errUnanswered is a ping that had no answer within CheckTimeout.
var errUnanswered = errors.New("pool: the peer's kernel does not answer")

// checkOf returns what tells whether a connection in doubt still works: Check, or
// else a ping of the peer's kernel, or nil.
func (c *Config[T]) checkOf(conn net.Conn) func(context.Context, T) error {
	ping, ok := netconn.Find[pinger](conn)
	if c.Check != nil || !ok {
		return c.Check
	}
	return func(ctx context.Context, _ T) error {
		if info, err := ping.Info(); err == nil && info.Silence() < justHeard {
			return nil
		}
		_, err := ping.Ping(ctx)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return nil // it cannot be asked
		case err != nil && ctx.Err() != nil:
			return errUnanswered
		}
		return err
	}
}

// check names the function of the Config whose failure the reason is.
func (r Reason) check() string {
	if r == ReasonFault {
		return "Reset"
	}
	return "Check"
}

// within runs f, the function of the Config that is so named, and has every
// call on conn fail once ctx has ended. late is as for guardUntil.
func within[R any](ctx context.Context, conn net.Conn, name string, f func() (R, error), late func(R)) (R, error) {
	conn = guardedDeadlines{conn}
	end, _ := netconn.Bind(ctx, conn) // a connection without deadlines has its ctx
	value, err := guardUntil(ctx.Done(), name, f, late)
	if end() {
		return value, cmp.Or(err, ctx.Err())
	}
	_ = conn.SetDeadline(time.Time{})
	return value, err
}

// deathOf says what a failed check means: the connection's own death if there
// was one, or else that its application has not answered for so long.
func (c checks[T]) deathOf(s *slot[T], why Reason, err error, silence time.Duration) *health.DeadError {
	if dead := lookAt(s); dead != nil && dead.Cause != health.LocalClosed { // a T may close itself upon an error
		return dead
	}
	if why != ReasonSuspect || c.pool.life.Err() != nil {
		return nil
	}
	if dead, ok := errors.AsType[*health.DeadError](err); ok && dead.Cause != health.LocalClosed {
		return dead
	}
	return &health.DeadError{Cause: health.HeartbeatFailed, Op: "check", Silence: silence, Detected: time.Now(), Peer: s.addr, Err: err}
}
