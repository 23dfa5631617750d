package deathwatch

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/bubble"
)

// A Subject is a connection under watch, and is told what the watch sees of
// it. The methods that tell are called one at a time, on goroutines that serve
// every connection of the process: they must be quick and must not block.
type Subject interface {
	net.Conn
	syscall.Conn
	// Socket returns the same as SyscallConn, made before: it is asked for at
	// every look.
	Socket() syscall.RawConn
	// Limits returns what the connection is to be held to, as its options stand
	// now. It is called when the watch begins, after [Supervision.Refresh],
	// before the watch first has the kernel ask in a silence, and before a
	// verdict of its own.
	Limits() Limits

	// PeerClosed: the peer has closed its side. At most once, never after Dead.
	PeerClosed(*health.DeadError)
	// Dead: the connection has died. find says of what: the kernel tells an error
	// once, so a subject that has other callers lets none of them ask it while find
	// runs, and does not call find if it knows already. (One that had been given the
	// error just before is waited for, if the subject has a method Telling() bool that
	// says so.) It returns what it knows,
	// nil if find finds nothing. At most one find does, and nothing comes after. A
	// socket that was closed without a Stop is found, too, as [health.LocalClosed].
	Dead(find func() *health.DeadError) *health.DeadError
	// Suspect: the peer has left something unanswered; then either Recovered
	// or Dead follows.
	Suspect(health.Info)
	// Recovered: the peer has answered after all.
	Recovered(health.Info)
	// Sampled: what a look has shown of a living connection, if Limits.Samples asks for
	// it. Unacked is worked out from the counts of bytes, and UserTimeout is not read:
	// a sample costs no system call beside the look's own.
	Sampled(health.Info)
}

// isTelling reports whether a call on s is under way, which may have been given the
// error of a connection that is over, and be about to tell. A subject that has calls of
// its own says so by a method Telling.
func isTelling(s Subject) bool {
	t, ok := s.(interface{ Telling() bool })
	return ok && t.Telling()
}

// A Ref leads to a Subject without keeping it alive. It must be comparable, and
// equal for the same connection.
type Ref interface {
	// Subject returns nil once the connection was collected as garbage, and
	// its socket with it.
	Subject() Subject
	// Dropped is called once when the watch finds that, within a minute.
	Dropped()
}

// Limits are the times that a connection was set up with; they say when its
// silence is worth a look, and when it has lasted too long. The zero value
// asks for neither.
type Limits struct {
	// Idle is the quiet time before the first keepalive probe; 0 is no
	// keepalive.
	Idle time.Duration
	// Silence is how long a peer may leave unanswered what it was sent or
	// asked; 0 is for ever. A peer that answers without reading is not silent.
	Silence time.Duration
	// Retries is after how many unanswered window probes the kernel gives the
	// connection up by itself (net.ipv4.tcp_retries2), which is not to be before
	// Silence is over; 0 is more than enough.
	Retries uint8
	// Ask has the watch ask the peer of an idle connection again in doubt, and
	// give it up when the silence is over. Without it that is left to the kernel
	// and the options of the socket.
	Ask bool
	// Samples has the Subject told of what each look shows.
	Samples bool
	// Pace is the longest pause between two retransmissions that the promise
	// needs, and that the socket holds (TCP_RTO_MAX_MS, Linux 6.15 and newer);
	// 0 leaves it alone. The watch keeps it at twice the retransmission timeout
	// of the path or more, as that changes, and while the peer's window is shut
	// short enough for several window probes within Silence.
	Pace time.Duration
}

// Supervise watches the connection that ref leads to, with early warnings. The
// warnings and Limits need Linux; elsewhere the Subject is told of deaths only.
//
// The error is [ErrWatched], [net.ErrClosed], one that matches
// [errors.ErrUnsupported] for a socket that is not TCP (see [Watch]), for Multipath
// TCP, of whose first subflow alone the kernel tells, and inside a testing/synctest
// bubble, or that of a system call; then nothing is watched.
func Supervise(ref Ref) (*Supervision, error) {
	s := ref.Subject()
	if bubble.Inside() {
		return nil, errBubble
	}
	if err := refuse(s); err != nil {
		return nil, err
	}
	c := &Supervision{ref: ref, limits: s.Limits(), detector: newDetector(), bare: tellsLittle(s)}
	return c, watch(c, s)
}

// DeathsOnly reports whether the kernel fills no TCP_INFO (gVisor): the Subject is told
// of what the kernel finds by itself, by the options of the socket. There are no
// warnings, and Limits mean nothing.
func (c *Supervision) DeathsOnly() bool { return c.bare }

// errBubble: the goroutine that serves the watch is outside, and what is made inside
// must not be touched from there.
var errBubble = fmt.Errorf("deathwatch: a testing/synctest bubble cannot be watched from outside: %w", errors.ErrUnsupported)

// Supervision is one connection under watch.
type Supervision struct {
	ref    Ref
	place  place       // in the watch's table
	stale  atomic.Bool // the limits are to be asked for anew
	wanted atomic.Bool // somebody wants the peer to be asked

	// setting guards the next two, and the socket's options while the watch or Refresh
	// sets some. Nobody is called under it but who sets them.
	setting sync.Mutex
	held    *options // what the socket held before the watch began to ask; nil if it does not
	stopped bool

	// The rest belongs to the goroutine that serves the watch.
	finSeen  bool  // the subject knows
	over     bool  // in state CLOSE, and not explained yet
	bare     bool  // see DeathsOnly
	pace     int32 // that the watch has set last, in ms; 0 if it has not, and the socket holds that of the limits
	limits   Limits
	detector detector
	settleAt time.Duration // when a connection that is over is to be explained, if nobody has by then
}

// noSuchWatch is the error for a kind of socket of which there is nothing to tell.
func noSuchWatch(s Subject) error {
	return fmt.Errorf("deathwatch: a connection of network %q cannot be watched here: %w", s.LocalAddr().Network(), errors.ErrUnsupported)
}

// Stop ends the watch. It does not wait for a call to the Subject that is under
// way, may be called more than once and on any goroutine, and is for a
// connection that is about to be closed as well. Options that the watch had set for
// a while are put back.
func (c *Supervision) Stop() {
	unwatch(c)
	c.setting.Lock()
	defer c.setting.Unlock()
	c.stopped = true
	if s := c.ref.Subject(); s != nil {
		c.putBack(s.Socket())
	}
}

// Refresh calls set, which changes the connection's options and must do nothing else,
// while the watch has none of its own there; then it has the watch ask for the Limits
// again. A nil set is for options that have changed already: those that the watch has
// set for a while are put back then, unless they were changed. It returns set's error.
func (c *Supervision) Refresh(set func() error) (err error) {
	if s := c.ref.Subject(); s != nil && set != nil {
		c.aside(s.Socket(), func() { err = set() })
	}
	c.stale.Store(true)
	lookSoon(c)
	return err
}

// closedHere is the reason of a connection whose socket somebody has closed.
func closedHere() *health.DeadError {
	return &health.DeadError{Cause: health.LocalClosed, Op: "close", Detected: time.Now(), Err: net.ErrClosed}
}

// closedByPeer tells the subject of the peer's FIN, once.
func (c *Supervision) closedByPeer(s Subject, fin *health.DeadError) {
	if !c.finSeen {
		c.finSeen = true
		s.PeerClosed(fin)
	}
}
