package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/netconn"
)

// doubt is what askings have shown that failed in a row.
type doubt[T any] struct {
	failures int
	began    time.Time
	heard    time.Time              // when the server was, before that
	first    map[*slot[T]]listening // what was in use then
	missed   time.Duration          // that this process stood still since
	err      error                  // what they failed with
}

// ask calls Check on the monitor's connection, for as long as the askings take
// that may fail yet.
func (m *monitor[T]) ask() {
	p, s := m.pool, m.slot
	if m.doubt.failures == 0 {
		m.doubt = doubt[T]{began: time.Now(), heard: m.heard, first: m.seen}
	}
	const longest = 1 << 62 // of what awake takes
	timeout, left := p.config.CheckTimeout, p.config.Monitor.Failures-m.doubt.failures
	limit := time.Duration(longest)
	if timeout < limit/time.Duration(left) {
		limit = timeout * time.Duration(left)
	}
	ctx, cancel := awake.WithTimeout(p.life, limit)
	defer cancel()
	look := s.lookAfter(p.life, limit-limit/16) // later Check may close the connection
	before, _, _ := s.received()
	start := time.Now()
	s.used.Store(true)
	_, err := within(ctx, s.conn, "Check", func() (struct{}, error) { return struct{}{}, p.config.Check(ctx, s.value) }, nil)
	reached := look(ctx.Err() != nil)
	if p.life.Err() != nil {
		return
	}
	m.doubt.missed += awake.Missed(ctx)
	p.config.Observer.heartbeat(HeartbeatInfo{Duration: time.Since(start), Err: err, Monitor: true})
	bytes, _, _ := s.received()
	switch {
	case err == nil || ctx.Err() == nil && bytes > before: // it may have said no
		m.answer()
	case m.isNoSign(err) || !reached:
		m.part(true)
	default:
		m.fail(err, waited(ctx, start), ctx.Err() != nil)
	}
}

// lookAfter has somebody look at a connection that waits for a reply, when so much
// time has passed, unless end is called before. end reports whether the kernel at
// the other end had answered, as far as was seen: if it had not, that is for the
// connection's own watch to judge. Where this process hardly gets a processor, one
// timer may be later than the other: what is overdue is looked at by end.
func (s *slot[T]) lookAfter(life context.Context, after time.Duration) (end func(overdue bool) (reached bool)) {
	var not bool
	look := func() {
		info, waits := s.unanswered()
		not = waits || info.Unacked > 0 || s.suspect()
	}
	looked := make(chan struct{})
	soon, cancel := awake.WithTimeout(life, after)
	stop := context.AfterFunc(soon, func() {
		defer close(looked)
		look()
	})
	return func(overdue bool) bool {
		defer cancel()
		switch {
		case !stop():
			<-looked
		case overdue:
			look()
		}
		return !not
	}
}

// answer takes note of a reply.
func (m *monitor[T]) answer() {
	m.slot.prove()
	m.answered, m.doubt = time.Now(), doubt[T]{}
	m.hear(m.answered)
	m.pauses.Reset()
	m.dialAt = time.Time{}
}

// isNoSign reports whether what Check failed with shows nothing of the server.
func (m *monitor[T]) isNoSign(err error) bool {
	if _, panicked := errors.AsType[*PanicError](err); panicked {
		return true
	}
	dead := lookAt(m.slot)
	if dead == nil {
		dead, _ = errors.AsType[*health.DeadError](err)
	}
	return dead != nil && dead.Cause != health.LocalClosed // a T may close itself upon an error
}

// fail takes note of a Check that failed after so long: of all askings that there
// may be if it timed out, and else of those that have begun, whose time is waited
// for.
func (m *monitor[T]) fail(err error, after time.Duration, timedOut bool) {
	timeout, most := m.pool.config.CheckTimeout, m.pool.config.Monitor.Failures
	d := &m.doubt
	n := min(int(after/timeout)+1, most-d.failures)
	if timedOut {
		n = most - d.failures
		d.err = fmt.Errorf("pool: no reply to the monitor's Check in %v", after) // the caller's ctx has not ended
	} else {
		d.err = fmt.Errorf("pool: the monitor's Check: %w", err)
		d.missed += m.pause(time.Duration(n)*timeout - after)
	}
	d.failures += n
	if d.failures >= most && m.pool.life.Err() == nil {
		m.judge()
	}
}

// pause waits for so long, of time that this process is awake, or until the pool
// is closed. It returns for how long it was not awake.
func (m *monitor[T]) pause(d time.Duration) (missed time.Duration) {
	ctx, cancel := awake.WithTimeout(m.pool.life, d)
	defer cancel()
	<-ctx.Done()
	return awake.Missed(ctx)
}

// judge ends what has received nothing since the doubt began, and lets go of a
// connection that has done its work.
func (m *monitor[T]) judge() {
	d := m.doubt
	m.doubt = doubt[T]{}
	for s, was := range d.first {
		bytes, _, known := s.received()
		if known && bytes == was.bytes && m.concerns(s) {
			m.pool.condemn(s, was.use, d.death(s))
		}
	}
	m.part(true)
}

// death is what a connection has died of.
func (d *doubt[T]) death(s *slot[T]) *health.DeadError {
	since := d.heard
	if since.IsZero() {
		since = d.began
	}
	dead := &health.DeadError{
		Cause: health.HeartbeatFailed, Op: "monitor", Silence: max(0, time.Since(since)-d.missed),
		Detected: time.Now(), Peer: s.addr, Err: d.err,
	}
	if s.info != nil {
		dead.Info, _ = s.info.Info()
	}
	return dead
}

// condemn ends the connection of a slot under its caller's hands, in that use.
func (p *Pool[T]) condemn(s *slot[T], use uint64, dead *health.DeadError) {
	tell, ours := p.markUnfitBy(s, ReasonDead, dead, func() bool {
		_, ok := s.do(condemn, use)
		return ok
	})
	if !ours {
		return
	}
	defer tell()
	p.wg.Go(func() { abortBy(s.conn, dead) })
}

// abortBy is abortConn for a connection whose calls are to say why, if it can.
func abortBy(conn net.Conn, dead *health.DeadError) {
	if c, ok := netconn.Find[interface{ Abort(*health.DeadError) }](conn); ok {
		await(run(func() { _ = guard("Close", func() error { c.Abort(dead); return nil }) }), abortedAfter, nil)
	}
	abortConn(conn)
}
