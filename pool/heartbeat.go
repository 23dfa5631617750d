package pool

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/jackc/puddle/v2"

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
	_ = c.Conn.SetDeadline(t)
	return nil
}

// newProber returns what probes the idle connections, or nil if nobody asks for
// heartbeats.
func (p *Pool[T]) newProber() *heartbeat.Prober {
	if p.config.Heartbeat == 0 {
		return nil
	}
	const longest = 1 << 62 // of what a Prober takes: 146 years
	return &heartbeat.Prober{
		Interval: min(p.config.Heartbeat, longest),
		Timeout:  min(p.config.CheckTimeout, longest),
		Probe:    p.heartbeat,
		After:    p.afterHeartbeat,
	}
}

// startHeartbeat gives a new slot its pulse.
func (p *Pool[T]) startHeartbeat(s *slot[T]) {
	if p.prober == nil {
		return
	}
	failed := func(*health.DeadError) {} // heartbeat has done what there is to do
	pulse, _ := p.prober.Start(&probed[T]{Conn: s.conn, slot: s}, failed)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.pulse = pulse
}

// stopHeartbeat ends the heartbeat of a slot that leaves the pool, and waits for
// a probe that may be under way.
func (p *Pool[T]) stopHeartbeat(s *slot[T]) {
	p.mu.Lock()
	pulse := s.pulse
	p.mu.Unlock()
	if pulse != nil {
		pulse.Stop()
	}
}

// own makes the caller the owner of a slot that puddle has given him, or parks
// it and returns nil.
func (p *Pool[T]) own(res *puddle.Resource[*slot[T]]) *slot[T] {
	s := res.Value()
	s.res = res
	if s.pulse == nil || s.pulse.TryLock() || p.lockOrPark(s) {
		return s
	}
	return nil
}

// lockOrPark locks the pulse of a slot, or parks the slot until the probe that
// is under way has ended, or sends it the way of all those that are condemned.
func (p *Pool[T]) lockOrPark(s *slot[T]) (locked bool) {
	p.mu.Lock()
	if s.unfit.Load() || p.closed {
		p.mu.Unlock()
		p.discard(s, ReasonShutdown, nil)
		return false
	}
	// Either the pulse is free by now, or the end of the probe, which takes
	// p.mu after it has freed the pulse, finds the slot parked.
	locked = s.pulse.TryLock()
	s.parked = !locked
	p.mu.Unlock()
	return locked
}

// unpark returns the place of a slot that is parked, which is then the
// caller's, or nil.
func (p *Pool[T]) unpark(s *slot[T]) *puddle.Resource[*slot[T]] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.parked {
		return nil
	}
	s.parked = false
	return s.res
}

// heartbeat probes a slot that nobody has. One that is not fit is maintenance's
// affair.
func (p *Pool[T]) heartbeat(ctx context.Context, c net.Conn) error {
	s := c.(*probed[T]).slot
	if !s.fit(p.epoch.Load()) {
		p.nudgeTidy()
		return nil
	}
	if s.look() != clean { // Check would take what lies there for its answer
		if reason, dead := p.unfitness(s); reason != "" {
			p.evictProbed(s, reason, dead)
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
	dead := p.deathOf(s, ReasonSuspect, err, waited(ctx, start))
	if p.life.Err() != nil {
		return nil // Shutdown cut it short, which shows nothing
	}
	p.failed(s, dead, took)
	return err
}

// errNoHeartbeat ends the heartbeats of a slot that leaves the pool without one.
var errNoHeartbeat = errors.New("pool: connection is not fit for a heartbeat")

// evictProbed takes a slot out of the pool that its heartbeat has come upon.
func (p *Pool[T]) evictProbed(s *slot[T], reason Reason, dead *health.DeadError) {
	defer p.nudgeTidy()
	defer func() { p.closeSlot(s, p.unpark(s)) }()
	tell, _ := p.condemn(s, reason, dead)
	tell()
}

// failed acts on a heartbeat that failed, unless the death itself was faster.
func (p *Pool[T]) failed(s *slot[T], dead *health.DeadError, took time.Duration) {
	defer p.nudgeTidy()
	defer func() { p.closeSlot(s, p.unpark(s)) }()
	tell, ours := p.condemn(s, ReasonSuspect, dead)
	if !ours {
		_, first := p.unfitness(s)
		dead = cmp.Or(first, dead)
	}
	tell()
	p.config.Observer.heartbeat(HeartbeatInfo{Duration: took, Err: dead})
}

// afterHeartbeat takes a slot back that was parked meanwhile.
func (p *Pool[T]) afterHeartbeat(c net.Conn) {
	s := c.(*probed[T]).slot
	p.mu.Lock()
	ours := s.parked && s.pulse.TryLock()
	if ours {
		s.parked = false
	}
	p.mu.Unlock()
	if ours {
		p.consider(s)
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
