package pool

import (
	"cmp"
	"net"
	"slices"
	"time"
)

// A Snapshot is what a pool does and holds at one moment, for whoever shows it to
// people, as package pool/debugpage does. It is the caller's own, but for what it
// points to: errors, and connections.
type Snapshot struct {
	Name string // of the Config
	At   time.Time

	// State is the first of these that holds:
	//
	//	closed   Shutdown or Close was called
	//	outage   an outage runs, the last of Outages
	//	probing  a dial has failed, and it is not known yet whether the endpoint serves
	//	full     the endpoint serves, but its last dial failed, or the last connections were
	//	         closed unheard: no more than these
	//	suspect  a connection may be about to die, or is to be checked before it is used
	//	busy     a caller has waited for 100 ms or longer
	//	well
	State string
	// Since is when that began: for an outage, probing and full with the endpoint's
	// last sign of life; for busy, when the caller that is next came. It is zero for
	// the others, of which the pool keeps no account.
	Since time.Time

	Stats      Stats
	OldestWait time.Duration // of the caller that is next in the queue; 0 if there is none

	// While the endpoint is not simply dialled as connections are needed (outage,
	// probing, full):
	Attempt int       // the last dial's number; 0 before the first
	Trying  bool      // it is under way
	NextTry time.Time // when the next is due; zero if that is not known
	Dial    error     // what the last one failed with; nil if none has

	Outages []OutageInfo // the last eight that have ended, the oldest first, and then the one that runs
	Conns   []ConnInfo   // in the order in which they were dialled
}

// OutageInfo is an outage, and when the endpoint was dialled in it.
type OutageInfo struct {
	Outage
	Dials []time.Time // when the last 64 dials ended that count as Attempts, as far as that is known
}

// ConnInfo is a connection of a pool.
type ConnInfo struct {
	Number uint64   // counts the connections of the pool, from 1
	Conn   net.Conn // what Dial returned, or a wrapper whose NetConn method returns it; it is the pool's: look, do not touch
	// State is "idle", "in_use", "checking" (by Check, Reset or the pool's own look),
	// "heartbeat", "quarantined" (suspect, and kept from callers), or "leaving".
	State     string
	Suspect   bool // it may be about to die, or is to be checked before it is used
	Unwatched bool // its death is not told, see Stats
	Opened    time.Time
	Uses      uint64 // how often a caller has had it, now included
	Leaves    Reason // why it leaves the pool, of one that a caller may still have; empty if it stays

	// Who has it, and for how long: of one in use, with Config.LeakAfter.
	Held  time.Duration
	Stack string
}

const (
	outagesKept = 8
	dialsKept   = 64
	// longWait is the wait that makes a pool busy.
	longWait = 100 * time.Millisecond
)

// Snapshot returns what the pool does and holds now. It takes about a microsecond for
// each connection; meanwhile dials wait, and an Acquire or a Release that finds what it
// needs does not. It makes no system call, and asks no endpoint. The pool does nothing for
// it while nobody calls it. It is safe for concurrent use, also once the pool is closed.
func (p *Pool[T]) Snapshot() Snapshot {
	s := Snapshot{Name: p.config.Name, At: time.Now(), Stats: p.stats.snapshot(), OldestWait: p.queue.oldestWait()}
	p.countOwn(&s.Stats)
	slots := p.describe(&s)
	slices.SortFunc(slots, func(a, b described[T]) int { return cmp.Compare(a.info.Number, b.info.Number) })
	s.Conns = make([]ConnInfo, len(slots))
	for i, d := range slots {
		s.Conns[i] = d.complete()
	}
	s.judge(p.epoch.Load()&shut != 0)
	return s
}

// judge fills in the state.
func (s *Snapshot) judge(closed bool) {
	switch {
	case closed:
		s.State, s.Since = "closed", time.Time{}
	case s.State != "": // of the dialer
	case slices.ContainsFunc(s.Conns, func(c ConnInfo) bool { return c.Suspect }):
		s.State = "suspect"
	case s.OldestWait >= longWait:
		s.State, s.Since = "busy", s.At.Add(-s.OldestWait)
	default:
		s.State = "well"
	}
}

// described is a slot, and what was true of it at one moment.
type described[T any] struct {
	slot *slot[T]
	info ConnInfo
}

// describe fills in what the dialer and the connections know, of one moment.
func (p *Pool[T]) describe(s *Snapshot) (slots []described[T]) {
	p.dialer.mu.Lock()
	defer p.dialer.mu.Unlock()
	p.dialer.describe(s)
	p.conns.count(&s.Stats, func(slot *slot[T], w word, unwatched bool) {
		slots = append(slots, described[T]{slot, ConnInfo{
			Number: slot.number, State: w.word(), Unwatched: unwatched,
			Suspect: w&unfit == 0 && (w&needsCheck != 0 || slot.suspect()),
			Uses:    w.uses(),
		}})
	})
	return slots
}

// complete adds what needs no lock of the pool.
func (d described[T]) complete() ConnInfo {
	d.info.Conn, d.info.Opened = d.slot.conn, d.slot.opened.time()
	d.info.Leaves, _ = d.slot.why()
	if d.info.State == "in_use" {
		d.info.Held, d.info.Stack = d.slot.holder.who()
	}
	return d.info
}

// describe fills in what the dialer knows. The caller holds mu.
func (d *dialer) describe(s *Snapshot) {
	d.count(&s.Stats)
	s.Outages = slices.Clone(d.past)
	if d.state != up {
		s.Attempt, s.Trying, s.NextTry, s.Dial = d.attempt, d.trying, d.nextAt, d.refusal.err
		s.Since = d.refusal.since
	}
	switch {
	case d.current != nil:
		s.State, s.Since, s.Dial = "outage", d.current.Began, d.current.Dial
		s.Outages = append(s.Outages, OutageInfo{*d.current, slices.Clone(d.dials)})
	case d.state == full:
		s.State = "full"
	case d.state != up:
		s.State = "probing"
	}
}

// stateWords has the states of a slot as a Snapshot calls them.
var stateWords = [states]string{
	free: "idle", taken: "checking", consulting: "checking", parked: "heartbeat", quarantined: "quarantined",
	inUse: "in_use", interrupted: "in_use", leaving: "leaving", closing: "leaving", hijacked: "leaving",
}

// word is the state as a Snapshot calls it.
func (w word) word() string {
	if w&unfit != 0 && !w.held() {
		return "leaving"
	}
	return stateWords[w.state()]
}

// uses is how many there were, with the one that lasts.
func (w word) uses() uint64 {
	if w.held() {
		return w.use() + 1
	}
	return w.use()
}
