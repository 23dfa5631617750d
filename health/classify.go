package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
)

// Classify returns the cause that err alone gives away, looking through
// whatever wraps it. It makes no system call and never fails: what it cannot
// explain, and what is no death (nil, a deadline, a cancelled context), is
// [Unknown].
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
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return PeerClosed
	}
	return byOp(errnoCause(err), err)
}

// isDeadline reports whether err is somebody's deadline. Timeout() would not
// do: syscall.ETIMEDOUT answers it with true as well.
func isDeadline(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// byOp settles what a timeout was of: a read waits on an idle connection, a
// write has data unacknowledged, a dial never had a connection.
func byOp(c Cause, err error) Cause {
	if c != KeepAliveTimeout {
		return c
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		return c
	}
	switch op.Op {
	case "write":
		return SendTimeout
	case "dial":
		return Unreachable
	}
	return c
}
