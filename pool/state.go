package pool

import "sync/atomic"

// A slot has one state at a time. It lies in one word with the number of its
// use, which counts them, and with marks, so that a caller gets what is free and
// unmarked by one atomic operation, and a copy of a Conn whose use has ended can
// do nothing any more. What moves a slot is an event; one that does not fit its
// state does nothing, and says so.
//
//	from               by                                            to
//	free               take: the pool looks at it, or checks it      taken
//	free, unmarked     claim: Acquire                                inUse
//	taken, unmarked    claim                                         inUse
//	free               park: a heartbeat is at it                    parked
//	parked             unpark: the heartbeat has ended               taken
//	taken              quarantine: it is suspect                     quarantined
//	quarantined        readmit                                       taken
//	taken              consult: AfterRelease is asked about it       consulting
//	consulting         consulted                                     taken
//	consulting         disown: Shutdown does not wait for that       closing
//	taken, unmarked    put                                           free
//	inUse, unmarked    release: Release                              free, the next use
//	inUse              reclaim: Close, or a Release that must look  taken, the next use
//	inUse              interrupt: Interrupt                          interrupted
//	inUse              condemn: the monitor                          interrupted, unfit
//	inUse              hijack: Hijack                                hijacked
//	inUse              abort: Shutdown                               closing, the next use
//	interrupted        reclaim                                       taken, the next use
//	interrupted        hijack                                        hijacked
//	interrupted        abort                                         closing, the next use
//	free               leave: it has died where it lies              leaving
//	parked             leaveParked: it has died there                closing
//	taken              remove: it is evicted                         closing
//
// Nothing leads out of leaving, closing and hijacked.
type state uint64

const (
	free        state = iota // nobody's: in the store, or on its way there
	taken                    // the pool's: being looked at, or checked
	parked                   // out of the store, and left to the heartbeat that is under way
	consulting               // the pool's, and in the hands of AfterRelease on its caller's goroutine
	quarantined              // suspect, and kept from everybody until it recovers or dies
	inUse                    // a caller's
	interrupted              // a caller's still, whose connection was aborted
	leaving                  // being closed, or closed, and in the store still
	closing                  // being closed, or closed
	hijacked                 // the pool has let go of it
	states
)

type event int

const (
	take event = iota
	claim
	park
	unpark
	quarantine
	readmit
	consult
	consulted
	disown
	put
	release
	reclaim
	interrupt
	condemn
	hijack
	abort
	leave
	leaveParked
	remove
	events
)

// transition is what an event does.
type transition struct {
	from     state // a set of them, as bits
	to       state // with a mark, if it gets one
	ends     bool  // the use; the next one begins
	unmarked bool  // only what has no mark
}

var transitions = [events]transition{
	take:        {from: 1 << free, to: taken},
	claim:       {from: 1<<free | 1<<taken, to: inUse, unmarked: true},
	park:        {from: 1 << free, to: parked},
	unpark:      {from: 1 << parked, to: taken},
	quarantine:  {from: 1 << taken, to: quarantined},
	readmit:     {from: 1 << quarantined, to: taken},
	consult:     {from: 1 << taken, to: consulting},
	consulted:   {from: 1 << consulting, to: taken},
	disown:      {from: 1 << consulting, to: closing},
	put:         {from: 1 << taken, to: free, unmarked: true},
	release:     {from: 1 << inUse, to: free, ends: true, unmarked: true},
	reclaim:     {from: 1<<inUse | 1<<interrupted, to: taken, ends: true},
	interrupt:   {from: 1 << inUse, to: interrupted},
	condemn:     {from: 1 << inUse, to: interrupted | state(unfit)},
	hijack:      {from: 1<<inUse | 1<<interrupted, to: hijacked},
	abort:       {from: 1<<inUse | 1<<interrupted, to: closing, ends: true},
	leave:       {from: 1 << free, to: leaving},
	leaveParked: {from: 1 << parked, to: closing},
	remove:      {from: 1 << taken, to: closing},
}

// word is a state, the marks, and the number of the use.
type word uint64

const (
	unfit      word = 1 << 4 // it must not be handed out again; slot.reason says why
	needsCheck word = 1 << 5 // it must be checked first
	outlived   word = 1 << 6 // MaxConnLifetime is over
	surplus    word = 1 << 7 // it may be one too many
	moved      word = 1 << 8 // its address is gone from the endpoint's name

	stateMask word = 1<<4 - 1
	marks          = unfit | needsCheck | outlived | surplus | moved
	useShift       = 12
)

func (w word) state() state { return state(w & stateMask) }
func (w word) use() uint64  { return uint64(w >> useShift) }

// held reports whether a caller has the slot.
func (w word) held() bool { return w.state() == inUse || w.state() == interrupted }

// status is the word of a slot.
type status struct{ v atomic.Uint64 }

func (s *status) load() word { return word(s.v.Load()) }

func (s *status) mark(m word)         { s.v.Or(uint64(m)) }
func (s *status) unmark(m word)       { s.v.And(^uint64(m)) }
func (s *status) marked(m word) bool  { return s.load()&m != 0 }
func (s *status) held() bool          { return s.load().held() }
func (s *status) is(state state) bool { return s.load().state() == state }

// whichever is any number of a use.
const whichever = ^uint64(0)

// do has an event happen to a slot, in its use of that number, and reports the
// number of the use that it is in then, and whether the event fitted.
func (s *status) do(e event, use uint64) (now uint64, ok bool) {
	t := &transitions[e]
	for {
		w := s.load()
		if t.from>>w.state()&1 == 0 || use != whichever && use != w.use() || t.unmarked && w&marks != 0 {
			return w.use(), false
		}
		next := w&^stateMask | word(t.to)
		if t.ends {
			next += 1 << useShift
		}
		if s.v.CompareAndSwap(uint64(w), uint64(next)) {
			return next.use(), true
		}
	}
}

// move is do for who does not ask for the number of the use.
func (s *status) move(e event) bool {
	_, ok := s.do(e, whichever)
	return ok
}
