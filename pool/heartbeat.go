package pool

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
)

// A heartbeat probes a slot where it lies, in puddle's idle list. Whoever takes
// a slot out of there locks its pulse, and has it locked until the slot is back
// or gone. If a probe is under way he does not wait: the slot is parked, and
// with it the place goes to whoever ends the probe.

// probed is a slot's connection as its heartbeat sees it: without what is under
// it, for the pool itself says what a failed check means, and no deadline
// outlasts a check.
type probed[T any] struct {
	net.Conn
	slot *slot[T]
}

// SetDeadline never fails: a connection without deadlines has its ctx.
func (c *probed[T]) SetDeadline(t time.Time) error {
	_ = guardedDeadlines{c.Conn}.SetDeadline(t)
	return nil
}

// heartbeats probes what nobody uses, if the Config asks for that.
type heartbeats[T any] struct {
	pool   *Pool[T]
	prober *heartbeat.Prober // nil if it does not
}

func (h *heartbeats[T]) init(p *Pool[T]) {
	h.pool = p
	if p.config.Heartbeat == 0 {
		return
	}
	const longest = 1 << 62 // of what a Prober takes: 146 years
	h.prober = &heartbeat.Prober{
		Interval: min(p.config.Heartbeat, longest),
		Timeout:  min(p.config.CheckTimeout, longest),
		Probe:    h.probeApart,
		After:    func(c net.Conn) { <-run(func() { h.after(c) }) },
	}
}

// probeApart is probe on a goroutine of its own, which a hook may end.
func (h *heartbeats[T]) probeApart(ctx context.Context, c net.Conn) (err error) {
	<-run(func() { err = h.probe(ctx, c) })
	if err == nil && c.(*probed[T]).slot.marked(unfit) {
		err = errNoHeartbeat
	}
	return err
}

// start gives a new slot its pulse.
func (h *heartbeats[T]) start(s *slot[T]) {
	if h.prober == nil {
		return
	}
	failed := func(*health.DeadError) {} // probe has done what there is to do
	s.pulse, _ = h.prober.Start(&probed[T]{Conn: s.conn, slot: s}, failed)
}

// stopHeartbeat ends the heartbeat of a slot that leaves the pool, and waits for
// a probe that may be under way.
func (s *slot[T]) stopHeartbeat() {
	if s.pulse != nil {
		s.pulse.Stop()
	}
}

// park leaves a slot, which the caller has taken out of the store, to the
// heartbeat that is at it; but if that has ended meanwhile the slot is the
// caller's, and park is true.
func (p *Pool[T]) park(s *slot[T]) (ours bool) {
	if !s.move(park) {
		p.freePlace(s) // it has died where it lay
		return false
	}
	// Either the pulse is free by now, or the end of the probe, which looks for
	// what is parked after it has freed the pulse, finds the slot.
	switch {
	case s.pulse.TryLock():
		return s.move(unpark) // or it has died, and been closed with its place
	case p.epoch.Load()&shut != 0 && s.move(unpark):
		p.evict(s, ReasonShutdown, nil)
	}
	return false
}

// probe probes a slot that nobody has. One that is not fit is maintenance's
// affair.
func (h *heartbeats[T]) probe(ctx context.Context, c net.Conn) error {
	p, s := h.pool, c.(*probed[T]).slot
	if !s.fit(p.epoch.Load()) {
		p.maintenance.wakeToTidy()
		return nil
	}
	if s.look() != clean { // Check would take what lies there for its answer
		if reason, dead := p.unfitness(s); reason != "" {
			h.evict(s, reason, dead)
			return errNoHeartbeat
		}
	}
	refusals := p.refusals.Load()
	start := time.Now()
	s.probed.Store(true)
	defer s.probed.Store(false)
	_, err := guardUntil(ctx.Done(), "Check", func() (struct{}, error) { return struct{}{}, p.config.Check(ctx, s.value) }, nil)
	took := time.Since(start)
	if err = cmp.Or(err, ctx.Err()); err == nil {
		s.prove()
		s.answered.Store(refusals)
		p.config.Observer.heartbeat(HeartbeatInfo{Duration: took})
		return nil
	}
	dead := p.checks.deathOf(s, ReasonSuspect, err, waited(ctx, start))
	switch {
	case p.life.Err() != nil:
		return nil // Shutdown cut it short, which shows nothing
	case p.stale(s):
		h.evict(s, ReasonInvalid, nil)
		return errNoHeartbeat
	}
	h.failed(s, dead, took)
	return err
}

// errNoHeartbeat ends the heartbeats of a slot that leaves the pool without one.
var errNoHeartbeat = errors.New("pool: connection is not fit for a heartbeat")

// evict takes a slot out of the pool that its heartbeat has come upon.
func (h *heartbeats[T]) evict(s *slot[T], reason Reason, dead *health.DeadError) {
	p := h.pool
	defer p.maintenance.wakeToTidy()
	defer p.closeWhereItIs(s)
	tell, _ := p.markUnfit(s, reason, dead)
	tell()
}

// failed acts on a heartbeat that failed, unless the death itself was faster.
func (h *heartbeats[T]) failed(s *slot[T], dead *health.DeadError, took time.Duration) {
	p := h.pool
	defer p.maintenance.wakeToTidy()
	defer p.closeWhereItIs(s)
	tell, ours := p.markUnfit(s, ReasonSuspect, dead)
	if !ours {
		_, first := p.unfitness(s)
		dead = cmp.Or(first, dead)
	}
	tell()
	p.config.Observer.heartbeat(HeartbeatInfo{Duration: took, Err: dead})
}

// after takes a slot back that was parked meanwhile.
func (h *heartbeats[T]) after(c net.Conn) {
	s := c.(*probed[T]).slot
	if s.is(parked) && s.pulse.TryLock() && s.move(unpark) {
		h.pool.revalidate(s)
	}
}

// unlock gives the pulse free before the slot becomes idle. A check that has
// passed puts the next heartbeat off, as a use does.
func (s *slot[T]) unlock(after afterwards) {
	switch {
	case s.pulse == nil:
	case after == used || s.checked:
		s.checked = false
		s.pulse.Unlock()
	default:
		s.pulse.UnlockUnused()
	}
}
