package health

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// Diagnose turns an error that c returned into the reason of c's death, or
// into nil if c is not dead: a deadline, io.EOF from a peer that closed its
// side only (half-close is legal), EPIPE after our own CloseWrite, an ICMP
// error that the connection survived, a local Close.
//
// On Linux it asks the kernel and is exact even where the error is not: a
// death's error is delivered once, to the first call that touches the socket,
// and later calls get a bare io.EOF or EPIPE. Elsewhere the error decides
// alone. Call it before c is closed.
func Diagnose(c net.Conn, err error) *DeadError { return diagnose(c, err) }

func diagnose(c any, err error) *DeadError {
	var dead *DeadError
	if errors.As(err, &dead) {
		return dead
	}
	cause := Classify(err)
	if cause == Unknown || errors.Is(err, net.ErrClosed) {
		return nil
	}
	info, ierr := inspectConn(c)
	switch {
	case ierr != nil && isEOF(err):
		return nil
	case ierr == nil && info.State != TCPClose:
		return nil
	case ierr == nil:
		cause = info.cause(cause)
	}
	if cause == PeerClosed && isEOF(err) {
		return nil // closed by both sides in good order
	}
	return newDeadError(c, cause, info, err)
}

// cause refines what the error said by what the kernel remembers of the
// connection's last moments. Only silence needs it: it has several causes and
// one errno, and whoever comes second gets no errno at all.
func (i Info) cause(errno Cause) Cause {
	switch errno {
	case KeepAliveTimeout, SendTimeout, PeerClosed:
	default:
		return errno
	}
	pending := i.Retransmits > 0 || i.Unsent > 0
	switch {
	case pending && i.SendWindow == 0 && i.answering():
		return PeerStalled // it kept saying that it has no room
	case i.Retransmits > 0, pending && i.SendWindow == 0:
		return SendTimeout
	case pending && i.Probes > 0:
		return Unreachable // there was room, and yet nothing could leave this machine
	case i.Probes > 0:
		return KeepAliveTimeout
	}
	return errno
}

// answering reports whether a peer with a closed window had kept answering
// until it was given up. Its answers may be half a second apart, since a
// kernel limits their rate (tcp_invalid_ratelimit), so the last probe or two may
// lack one. A silent one is given up a whole user timeout after the first window
// probe, which itself comes a retransmission timeout (200 ms at least) after the
// last answer.
func (i Info) answering() bool {
	const minRTO = 200 * time.Millisecond
	allAnswered := i.Probes == 0 && i.Unacked == 0
	return allAnswered || i.Probes <= 2 && i.Silence() < i.UserTimeout+minRTO/2
}

func isEOF(err error) bool { return Classify(err) == PeerClosed && errnoCause(err) == Unknown }

// newDeadError explains the death of c, a connection of any kind.
func newDeadError(c any, cause Cause, info Info, err error) *DeadError {
	return &DeadError{
		Cause:    cause,
		Op:       opOf(err),
		Silence:  info.Silence(),
		Detected: time.Now(),
		Peer:     peerOf(c),
		Info:     info,
		Err:      withErrno(c, cause, err),
	}
}

// peerOf returns the address of c's other end, if c has one.
func peerOf(c any) net.Addr {
	if conn, ok := c.(net.Conn); ok {
		return conn.RemoteAddr()
	}
	return nil
}

func opOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op
	}
	return "read"
}

// withErrno gives the error of a death by silence back to those who came too
// late for it and got a bare io.EOF or EPIPE.
func withErrno(c any, cause Cause, err error) error {
	if !cause.Silent() && cause != PeerStalled || Classify(err) != PeerClosed {
		return err
	}
	return opError(opOf(err), c, os.NewSyscallError(opOf(err), syscall.ETIMEDOUT))
}

// opError puts c's addresses around err, if c has any.
func opError(op string, c any, err error) error {
	e := &net.OpError{Op: op, Net: "tcp", Err: err}
	if conn, ok := c.(net.Conn); ok {
		e.Net, e.Source, e.Addr = conn.LocalAddr().Network(), conn.LocalAddr(), conn.RemoteAddr()
	}
	return e
}
