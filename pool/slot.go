package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/puddle/v2"

	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
	"example.com/hale/internal/netconn"
)

// slot is one place in the pool, and the connection in it once it is filled.
// What holds it in puddle is a resource; a slot is filled once.
type slot[T any] struct {
	res        *puddle.Resource[*slot[T]]
	value      T
	conn       net.Conn
	vital      vital                          // nil if the connection does not tell of itself
	meter      *netconn.Meter                 // of the connection
	check      func(context.Context, T) error // nil if nobody can tell whether it works
	opened     time.Time
	expiry     time.Time // zero is never
	epoch      uint64    // of the pool when the dial began
	remote     string
	info       func() (health.Info, error) // nil if the kernel does not tell
	peek       peeker
	keepUnread bool
	spoken     bool             // by Open, so that no greeting is to come
	pulse      *heartbeat.Pulse // locked by who owns the slot; nil without heartbeats

	// Of whoever owns it.
	proved  time.Time         // when a check last passed
	faults  uint64            // what the connection had counted before this use
	asked   uint64            // how many dials of the pool had failed before this use, or check
	checked bool              // a check has passed since the pulse was locked
	fault   string            // what Reset failed with
	served  bool              // it was used before this use
	sight   sight             // what a look has shown
	end     *health.DeadError // and of what the connection is over then

	// turn is the generation of the slot's use, shifted, and whether it is in
	// use or detached. A Conn carries the turn that it was made for; whoever moves the slot
	// on from there owns it, and all other copies of the Conn are stale.
	turn atomic.Uint64
	// unfit is set once the slot must not be handed out again, with reason
	// and death under the pool's mutex; doubt, that it must be checked first.
	unfit atomic.Bool
	doubt atomic.Bool

	// Under the pool's mutex.
	reason    Reason
	death     *health.DeadError
	unwatch   func()
	unwatched bool // its death is not told
	parked    bool // taken out of puddle, and left to the probe that is under way

	// Set by the owner before a use.
	used    atomic.Bool   // Value was called
	written atomic.Uint64 // what the connection had counted before

	answered atomic.Uint64 // of the last use or check that had a reply: asked

	holder  holder      // kept only for an Observer
	aborted atomic.Bool // by Interrupt, when it was in use
	probed  atomic.Bool // Check or Reset is at it
	closing atomic.Bool // somebody has taken it on him to close it, or to let it go
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

// Whose a slot is, in the low bits of a turn; the others count the uses. From
// free on, a slot that is closed stays free.
//
//	from         by                                 to
//	free         take                               inUse
//	inUse        giveUp: Release, Close, Shutdown   free, the next use
//	inUse        interrupt                          interrupted
//	inUse        detach: Hijack                     detached
//	interrupted  giveUp                             free, the next use
//	interrupted  detach                             detached
//
// Nothing leads out of detached, and what is not here does nothing.
const (
	free        = iota // the pool's
	inUse              // a caller's
	interrupted        // a caller's still, whose connection was aborted
	detached           // hijacked: the pool lets go of it
	turnBits    = 2
)

// take makes a free slot the caller's and returns the turn.
func (s *slot[T]) take() uint64 { return s.turn.Add(inUse) }

// now returns the turn as it is, and whether it is that use still.
func (s *slot[T]) now(turn uint64) (now uint64, ok bool) {
	now = s.turn.Load()
	return now, now == turn || now == turn-inUse+interrupted
}

// giveUp ends the turn; only one caller can, and only with the turn's number.
func (s *slot[T]) giveUp(turn uint64) bool {
	return s.leave(turn, turn>>turnBits<<turnBits+1<<turnBits)
}

// detach ends the turn as giveUp does, and the slot does not become free by it:
// a death that comes just then leaves the connection alone.
func (s *slot[T]) detach(turn uint64) bool { return s.leave(turn, turn-inUse+detached) }

func (s *slot[T]) leave(turn, next uint64) bool {
	for {
		now, ok := s.now(turn)
		if !ok {
			return false
		}
		if s.turn.CompareAndSwap(now, next) {
			return true
		}
	}
}

// interrupt notes that the connection is aborted under its caller's hands.
func (s *slot[T]) interrupt() bool {
	turn := s.turn.Load()
	return stateOf(turn) == inUse && s.turn.CompareAndSwap(turn, turn-inUse+interrupted)
}

func (s *slot[T]) held() bool {
	state := stateOf(s.turn.Load())
	return state == inUse || state == interrupted
}

func (s *slot[T]) isFree() bool { return stateOf(s.turn.Load()) == free }

func stateOf(turn uint64) uint64 { return turn & (1<<turnBits - 1) }

// fit reports whether nothing speaks against handing the slot out. It makes no
// system call.
func (s *slot[T]) fit(epoch uint64) bool {
	if s.unfit.Load() || s.doubt.Load() || s.epoch != epoch || s.expired() {
		return false
	}
	return s.vital == nil || s.vital.Err() == nil && s.vital.State() == health.Alive
}

func (s *slot[T]) expired() bool { return !s.expiry.IsZero() && !time.Now().Before(s.expiry) }

// unproved is how long nothing has shown that the slot works: neither its use
// nor a check.
func (s *slot[T]) unproved() time.Duration {
	return min(s.res.IdleDuration(), time.Since(s.proved))
}

// prove notes that a check has passed.
func (s *slot[T]) prove() {
	s.doubt.Store(false)
	s.proved = time.Now()
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
	s.faults = s.meter.Faults()
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
	info, err := s.info()
	return err == nil && info.BytesReceived > 0 && time.Now().Add(-info.SinceReceived).After(ask.since)
}

// faulty reports whether a read or write failed during the use.
func (s *slot[T]) faulty() bool { return s.meter.Faults() != s.faults }

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
	taken, err := s.taken()
	return errors.Is(err, errors.ErrUnsupported) || err == nil && taken <= s.meter.Written()
}

// taken is how many bytes the kernel has taken since the connection was made.
func (s *slot[T]) taken() (uint64, error) {
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
	return s.unfit.Load() || s.faulty() || lookAt(s) != nil
}

// holder is who holds a slot, for those who report on it.
type holder struct {
	mu     sync.Mutex // guards what follows
	ctx    context.Context
	since  time.Time
	stack  []uintptr
	leaked bool // reported
}

func (h *holder) set(ctx context.Context, leaks bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.leaked = ctx, false
	if leaks {
		h.since = time.Now()
		h.stack = append(h.stack[:0], make([]uintptr, 32)...)
		h.stack = h.stack[:runtime.Callers(2, h.stack)]
	}
}

// clear forgets who held the slot.
func (h *holder) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.since = nil, time.Time{}
}

func (h *holder) context() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ctx
}

// leak returns who has held the slot for longer than after, once, and before
// that how much time is left.
func (h *holder) leak(after time.Duration) (info LeakInfo, left time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := time.Since(h.since)
	switch {
	case h.leaked || h.since.IsZero():
		return LeakInfo{}, 0
	case held < after:
		return LeakInfo{}, after - held
	}
	h.leaked = true
	return LeakInfo{Held: held, Stack: stackText(h.stack)}, 0
}

// stackText writes a stack as a panic does, from the caller of the pool on.
func stackText(pcs []uintptr) string {
	var b strings.Builder
	for frames := runtime.CallersFrames(pcs); ; {
		f, more := frames.Next()
		if b.Len() > 0 || !isOwn(f.Function) {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// isOwn reports whether a function in a stack is a method of the pool's own.
func isOwn(function string) bool {
	const pkg = "example.com/hale/pool."
	return strings.HasPrefix(function, pkg+"(*Pool[") || strings.HasPrefix(function, pkg+"(*seeker[")
}
