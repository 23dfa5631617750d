package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"example.com/hale/internal/errno"
)

// Classify returns the cause that err alone gives away, looking through
// whatever wraps it. It makes no system call and never fails: what it cannot
// explain, and what is no death (nil, a deadline, a cancelled context), is
// [Unknown].
//
// [io.ErrUnexpectedEOF] is Unknown: as a rule it is about a message that was cut
// short, in a file or in the middle of a stream that goes on.
//
// A bare error cannot tell everything: ETIMEDOUT is what the kernel says of
// unanswered keepalive probes and of unacknowledged data alike (Classify takes
// the first for a read and the second for a write), and io.EOF and EPIPE also
// follow a death whose error another call was given. [Diagnose] asks the kernel
// and is exact.
func Classify(err error) Cause {
	var dead *DeadError
	switch {
	case errors.As(err, &dead):
		return dead.Cause
	case err == nil, isDeadline(err), errors.Is(err, context.Canceled):
		return Unknown
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return LocalClosed
	case errors.Is(err, io.EOF):
		return PeerClosed
	}
	return byOp(err)
}

// isDeadline reports whether err is somebody's deadline. Timeout() would not
// do: syscall.ETIMEDOUT answers it with true as well.
func isDeadline(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// byOp settles what a number means by what was tried. A timeout: a read waits on
// an idle connection, a write has data unacknowledged, a dial never had a
// connection. EPIPE: to a write, that the end was told before or was our own; as
// the error of the socket itself, that the peer had closed its side and then sent
// RST (tcp_reset). A refusal: on a connection that stood it is an ICMP message, in
// whose words the kernel gives it up (tcp(7), icmp_err_convert).
func byOp(err error) Cause {
	kind, op := errno.Of(err), opIn(err)
	switch {
	case kind == errno.TimedOut && op == "write":
		return SendTimeout
	case kind == errno.TimedOut && op == "dial":
		return Unreachable
	case kind == errno.Broken && isSocketError(err):
		return Reset
	case kind.Refusal() && establishedOps[op]:
		return Unreachable
	}
	return errnoCauses[kind]
}

// establishedOps are what package net and hale call things that are done to a
// connection that stands.
var establishedOps = map[string]bool{
	"read": true, "write": true, "writev": true, "readfrom": true, "writeto": true, "check": true, "watch": true,
}

// opIn returns the Op of the innermost *net.OpError in err.
func opIn(err error) (name string) {
	var op *net.OpError
	for errors.As(err, &op) {
		name, err = op.Op, op.Err
	}
	return name
}

// isSocketError reports whether err was asked of a socket (SO_ERROR).
func isSocketError(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "getsockopt"
}
