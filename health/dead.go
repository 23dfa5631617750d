package health

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"example.com/hale/internal/errno"
)

// A DeadError says that a connection is dead, why, and since when. It is
// immutable once returned, and one connection returns the same *DeadError from
// every call.
//
// It is a [net.Error] whose Timeout is false: a kernel that gave a peer up is
// not a deadline that passed, and code that keeps a connection after a timeout
// must not keep this one. The kernel's error is still there for [errors.Is]
// (syscall.ETIMEDOUT, on Windows too) and [errors.As] (**net.OpError).
type DeadError struct {
	Cause    Cause
	Op       string        // what met the death: "read", "write", "check", "watch", "heartbeat", "monitor", "close"
	Silence  time.Duration // how long nothing had come from the peer; 0 where the kernel does not tell
	Detected time.Time     // when the death was noticed here

	// Unanswered is how long the peer has left a probe or data unanswered, at
	// the least. It is part of Silence, and 0 where it is not known.
	Unanswered time.Duration

	// Peer is the address of the other end, nil where it is not known.
	Peer net.Addr

	// WindowEarliest and WindowLatest are the time from an idle peer's
	// vanishing to its detection, as the connection's options predicted it: 0
	// where that is not known, and the longest Duration (sockopt.Never) where
	// they ask for none. A hale.Conn knows them.
	WindowEarliest, WindowLatest time.Duration

	// Promised is within what time of its vanishing the peer was to be noticed, at the
	// latest: the Within of the connection's options, or what their numbers come to
	// by a kernel whose timers are an eighth late. 0 where that is not known, or
	// nothing was promised. A hale.Conn knows it. Silence may be longer for a peer
	// that had nothing to say, or while this process stood still.
	Promised time.Duration

	Info Info  // what the kernel knew at that moment; zero where it does not tell
	Err  error // the error underneath
}

var _ net.Error = (*DeadError)(nil)

// Error names the cause, the silence that led to it, or for how long the peer's
// window was shut ([PeerStalled]), and the error underneath.
// A nil *DeadError says that there is no death; it must not be handed on as an
// error.
func (e *DeadError) Error() string {
	if e == nil {
		return noDeath
	}
	text := "connection dead: " + e.Cause.String()
	switch {
	case e.Cause == PeerStalled && e.Info.UserTimeout > 0:
		text += fmt.Sprintf(", window shut for %v", e.Info.UserTimeout) // the kernel waits no longer
	case e.Silence > 0:
		text += fmt.Sprintf(", peer silent for %v", e.Silence)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

const noDeath = "no death"

// Unwrap returns the error underneath.
func (e *DeadError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, syscall.ETIMEDOUT) hold wherever the kernel gave up
// waiting. On Windows that constant is an invented number which no socket ever
// returns.
func (e *DeadError) Is(target error) bool {
	return target == syscall.ETIMEDOUT && errno.Of(e.Err) == errno.TimedOut
}

// Timeout is false: waiting longer, or trying again, will not help.
func (e *DeadError) Timeout() bool { return false }

// Temporary is false.
func (e *DeadError) Temporary() bool { return false }

// ErrorType returns the cause's name, a low-cardinality value from the closed
// list of [Cause.String]; OpenTelemetry's semantic conventions ask errors for
// it by this method.
func (e *DeadError) ErrorType() string { return e.Cause.String() }

// Since returns when the silence began: the time of the peer's last sign of
// life, or the time of detection where the kernel does not tell.
func (e *DeadError) Since() time.Time { return e.Detected.Add(-e.Silence) }

// IsDead reports whether err, returned by a connection, means that the
// connection can carry no further request: a [DeadError], any error of the
// kernel that ends a connection, io.EOF, or net.ErrClosed. A deadline
// that passed is not a death, and neither is an error that has nothing to do
// with connections.
func IsDead(err error) bool {
	var dead *DeadError
	return errors.As(err, &dead) || Classify(err) != Unknown
}
