package health

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// cause refines what an error said by what the kernel remembers of the
// connection's last moments: a silence has several causes and one errno.
func (i Info) cause(errno Cause) Cause {
	if errno != KeepAliveTimeout && errno != SendTimeout {
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

// answering reports whether a peer with a closed window had kept answering until it
// was given up. Its answers may be half a second apart, since a kernel limits their
// rate (tcp_invalid_ratelimit), so the last probe may lack one. A silent one has left
// several unanswered, unless the user timeout is so short that there were no more; the
// silence alone says little, since it goes on after the death.
func (i Info) answering() bool {
	const minRTO = 200 * time.Millisecond
	switch {
	case i.Probes == 0 && i.Unacked == 0:
		return true
	case i.Unacked == 0 && i.UserTimeout >= 2*minRTO:
		return i.Probes <= 1
	}
	return i.Probes <= 2 && i.Silence() < i.UserTimeout+minRTO/2
}

// sentFIN reports whether this side has closed its writing, and the peer has
// acknowledged that: c may know, and the kernel counts a FIN as a byte that is
// acknowledged and was not sent, as the SYN of the side that dialled is.
func (i Info) sentFIN(c any) (sent, known bool) {
	if sent, known = ownFIN(c); known {
		return sent, true
	}
	switch int64(i.BytesAcked) - int64(i.BytesSent-i.BytesRetransmitted) {
	case 2:
		return true, true
	case 0:
		return false, true
	}
	return false, false
}

// ownFIN asks c whether this side has closed its writing.
func ownFIN(c any) (sent, known bool) {
	if s, ok := c.(interface{ SentFIN() (sent, known bool) }); ok {
		return s.SentFIN()
	}
	return false, false
}

// isEOF reports whether err is the end of a stream, and no number.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

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
