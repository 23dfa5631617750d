package pool

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
	"example.com/hale/internal/netconn"
)

// slot is a connection of the pool, and what there is to know of it.
type slot[T any] struct {
	status
	value      T
	conn       net.Conn
	vital      vital          // nil if the connection does not tell of itself
	meter      *netconn.Meter // of the connection
	opened     moment
	number     uint64      // of all connections of the pool; set when conns lists it
	lifetime   *time.Timer // marks it as outlived; nil if it may live for ever
	epoch      uint64      // of the pool when the dial began
	remote     string
	addr       net.Addr        // the same; nil if the connection does not say
	info       informer        // nil if the kernel does not tell
	peek       syscall.RawConn // nil if nobody is to look what there is to read
	checkable  bool            // somebody can tell whether it works, see checkOf
	keepUnread bool
	spoken     bool             // by Open, so that no greeting is to come
	quick      bool             // a caller may claim it as it lies in the store
	light      bool             // and release it into there
	pulse      *heartbeat.Pulse // locked by who owns the slot; nil without heartbeats
	retired    bool             // it is one too many, and was told to go; guarded by the mutex of size
	arrived    bool             // it has been in the store, or with a caller; guarded by the mutex of conns

	// Of whoever owns it.
	res      resource[T]       // zero before puddle has given it
	lastUsed moment            // kept only if a limit depends on it
	proved   moment            // when a check last passed
	asked    uint64            // how many dials of the pool had failed before this use, or check
	fault    string            // what Reset, PrepareAcquire or AfterRelease failed with
	end      *health.DeadError // of what the connection is over, as a look has shown
	sight    sight             // what the look has shown
	checked  bool              // a check has passed since the pulse was locked
	served   bool              // it was used before this use

	// Set by the owner before a use; a Conn whose use has ended may read them.
	used    atomic.Bool   // Value was called
	telling atomic.Bool   // the connection's death is being told; set by whoever was told by the connection
	written atomic.Uint64 // what the connection had counted before
	faults  atomic.Uint64 // and that of its errors

	answered atomic.Uint64 // of the last use or check that had a reply: asked

	holder *holder // nil unless an Observer asks for it

	mu        sync.Mutex // guards what follows, but probed
	reason    Reason     // why it is unfit
	death     *health.DeadError
	unwatch   func()
	aborted   bool        // its connection was, by Interrupt
	unwatched bool        // its death is not told
	probed    atomic.Bool // Check or Reset is at it
}

// vital is a connection that knows its own state, without a system call, as
// hale.Conn does.
type vital interface {
	Err() error
	State() health.State
}

// watchable is a connection that calls back when it dies.
type watchable interface {
	Watch(dead func(*health.DeadError)) (stop func())
}

// fit reports whether nothing speaks against handing the slot out. It makes no
// system call.
func (s *slot[T]) fit(epoch uint64) bool {
	return s.epoch == epoch && !s.marked(marks) && s.well()
}

// well reports whether the connection says that it is.
func (s *slot[T]) well() bool {
	return s.vital == nil || s.vital.Err() == nil && s.vital.State() == health.Alive
}

// unproved is how long nothing has shown that the slot works: neither its use
// nor a check.
func (s *slot[T]) unproved() time.Duration {
	return min(s.lastUsed.since(), s.proved.since())
}

// prove notes that a check has passed.
func (s *slot[T]) prove() {
	s.unmark(needsCheck)
	s.proved = momentNow()
	s.begin() // faults up to here are forgiven
}

// suspect reports whether the connection may be about to die.
func (s *slot[T]) suspect() bool { return s.vital != nil && s.vital.State() == health.Suspect }

// begin notes what a use starts from.
func (s *slot[T]) begin() {
	if s.used.Load() {
		s.used.Store(false)
		s.served = true
	}
	if faults := s.meter.Faults(); faults != s.faults.Load() {
		s.faults.Store(faults)
	}
	if written := s.meter.Written(); written != s.written.Load() {
		s.written.Store(written)
	}
}

// endWell takes note of a use that ended without a fault: if it has sent
// anything, there was a reply, as far as can be told without the kernel.
func (s *slot[T]) endWell() {
	if s.info == nil && s.answered.Load() != s.asked && s.used.Load() && s.meter.Written() != s.written.Load() {
		s.answered.Store(s.asked)
	}
}

// repliedSince reports whether the peer has sent anything since then.
func (s *slot[T]) repliedSince(ask asking) bool {
	if s.answered.Load() >= ask.number {
		return true
	}
	if s.info == nil {
		return false
	}
	info, err := s.info.Info()
	return err == nil && info.BytesReceived > 0 && time.Now().Add(-info.SinceReceived).After(ask.since)
}

// faulty reports whether a read or write failed during the use.
func (s *slot[T]) faulty() bool { return s.meter.Faults() != s.faults.Load() }

// untouched reports whether no byte can have been written during the use. The
// kernel is asked, too: what the connection has not seen (net.Buffers writes
// past it) may have been written at any time, so then it is false.
func (s *slot[T]) untouched() bool {
	if !s.used.Load() {
		return true
	}
	if s.meter.Written() != s.written.Load() {
		return false
	}
	sent, err := s.sent()
	return errors.Is(err, errors.ErrUnsupported) || err == nil && sent <= s.meter.Written()
}

// sent is how many bytes the kernel has taken since the connection was made.
func (s *slot[T]) sent() (uint64, error) {
	sc, ok := netconn.Find[syscall.Conn](s.conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	info, err := health.Inspect(raw)
	return info.BytesSent - info.BytesRetransmitted + uint64(info.Unsent), err
}

// broken reports whether the connection itself has failed during the use.
func (s *slot[T]) broken() bool {
	return s.marked(unfit) || s.faulty() || lookAt(s) != nil
}

// age is how long ago the connection was opened.
func (s *slot[T]) age() time.Duration { return s.opened.since() }

// why says why the slot is unfit, if it is, and of what it died, if it did.
func (s *slot[T]) why() (Reason, *health.DeadError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason, s.death
}

// setUnfit notes why the slot must not be handed out again, once.
// mark marks it, or reports that it does not.
func (s *slot[T]) setUnfit(reason Reason, dead *health.DeadError, mark func() bool) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marked(unfit) {
		return false
	}
	s.reason, s.death = reason, dead
	if first = mark(); !first {
		s.reason, s.death = "", nil
	}
	return first
}
