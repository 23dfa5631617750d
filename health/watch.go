package health

import (
	"errors"
	"io"
	"syscall"
	"time"

	"example.com/hale/internal/notify"
)

// ErrWatched says that a connection is watched already: a connection has one
// watch. A hale.Conn has its own, which Watch joins.
var ErrWatched = errors.New("health: connection is watched already")

// Watch calls dead when c dies, within a moment of the kernel giving it up,
// although nobody reads or writes. If the peer closes its side in good order,
// which is no death, dead is called with [PeerClosed] first, and again if a
// death follows. A watched connection costs nothing on its data path.
//
// dead runs on the one goroutine that serves every watch of the process: it
// must be quick and must not block, nor do I/O on c. Closing c is allowed.
// The kernel tells the error of a death once, so a call on a plain connection
// may get a bare io.EOF after the watch has been told the cause.
//
// Once stop has returned, dead is not running and will not be called (unless
// stop was called by dead). stop may be called more than once, by anybody;
// call it before c is closed, or else the watch ends at its own next look,
// within minutes.
//
// On Linux the kernel tells (epoll(7), EPOLLRDHUP). Elsewhere the connection
// is looked at every second, by [Check].
func Watch(c syscall.Conn, dead func(*DeadError)) (stop func(), err error) {
	if own, ok := c.(interface {
		Watch(dead func(*DeadError)) (stop func())
	}); ok {
		return own.Watch(dead), nil
	}
	call := notify.New(dead)
	remove, err := Supervise(c, Limits{}, (*deadOnly)(call))
	if err != nil {
		return nil, err
	}
	return func() { remove(); call.Stop() }, nil
}

// deadOnly is the Subject of Watch.
type deadOnly notify.Call[*DeadError]

func (d *deadOnly) PeerClosed(e *DeadError) { (*notify.Call[*DeadError])(d).Fire(e) }
func (d *deadOnly) Dead(e *DeadError)       { (*notify.Call[*DeadError])(d).Fire(e) }
func (d *deadOnly) Suspect(Info)            {}
func (d *deadOnly) Recovered(Info)          {}

// A Subject is told what the watch sees of its connection. Its methods are
// called one at a time, on goroutines that serve every connection of the
// process: they must be quick and must not block.
type Subject interface {
	// PeerClosed: the peer has closed its side. At most once, never after Dead.
	PeerClosed(*DeadError)
	// Dead: the connection has died. At most once, and nothing comes after.
	Dead(*DeadError)
	// Suspect: the peer has left something unanswered; then either Recovered
	// or Dead follows.
	Suspect(Info)
	// Recovered: the peer has answered after all.
	Recovered(Info)
}

// Limits are the times that a connection was set up with; they say when its
// silence is worth a look, and when it has lasted too long. The zero value
// asks for neither.
type Limits struct {
	// Idle is the quiet time before the first keepalive probe; 0 is no
	// keepalive.
	Idle time.Duration
	// Silence is how long a peer may leave sent data unacknowledged, or
	// answer nothing at all once there is something to answer; 0 is for ever.
	// A peer that answers without reading is not silent.
	Silence time.Duration
}

// Supervise is [Watch] with early warnings: it also looks at what the kernel
// knows about c, seldom while all is well, and tells s when the peer leaves a
// keepalive probe unanswered, or sent data for a quarter of limits.Silence.
// Data that nothing has acknowledged in a silence of limits.Silence ends the
// connection: s is told ([SendTimeout]), and c is shut down so that blocked
// calls return.
//
// remove ends it and does not wait for a call to s that is under way. The
// warnings need Linux; elsewhere s is told of deaths only. The error is
// [ErrWatched], [net.ErrClosed], or that of a system call; then s is not
// watched.
func Supervise(c syscall.Conn, limits Limits, s Subject) (remove func(), err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return supervise(&watched{raw: raw, conn: c, limits: limits, subject: s})
}

// watched is one connection under watch.
type watched struct {
	raw     syscall.RawConn
	conn    syscall.Conn
	limits  Limits
	subject Subject
	place   place

	// The rest belongs to the goroutine that serves the watch.
	finSeen bool // the subject knows
	over    bool // in state CLOSE, and not explained yet
	memory  memory
}

// closedByPeer tells the subject of the peer's FIN, once.
func (c *watched) closedByPeer(info Info) {
	if c.finSeen {
		return
	}
	c.finSeen = true
	c.subject.PeerClosed(newDeadError(c.conn, PeerClosed, info, opError("watch", c.conn, io.EOF)))
}
