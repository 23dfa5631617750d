package health

import (
	"errors"
	"net"
)

// Diagnose turns an error that c returned into the reason of c's death, or
// into nil if c is not dead: a deadline, io.EOF from a peer that closed its
// side only (half-close is legal), EPIPE after our own CloseWrite, an ICMP
// error that the connection survived, a local Close.
//
// On Linux it asks the kernel and is exact even where the error is not: a
// death's error is delivered once, to the first call that touches the socket,
// and later calls get a bare io.EOF or EPIPE. If the error is still there, Diagnose
// takes it. Elsewhere the error decides alone. Call it before c is closed.
func Diagnose(c net.Conn, err error) *DeadError { return diagnose(c, err) }

func diagnose(c any, err error) *DeadError {
	var dead *DeadError
	if errors.As(err, &dead) {
		return dead
	}
	cause := Classify(err)
	if isEOF(err) { // io.ErrUnexpectedEOF of TLS, too
		cause = PeerClosed
	}
	if cause == Unknown || errors.Is(err, net.ErrClosed) {
		return nil
	}
	info, ierr := inspectConn(c)
	switch {
	case ierr != nil:
		return byErrorAlone(c, cause, err)
	case info.State != TCPClose:
		return nil
	case cause == PeerClosed:
		return lateVerdict(c, info, err)
	}
	return newDeadError(c, info.cause(cause), info, err)
}

// byErrorAlone is for a connection of which the kernel tells nothing.
func byErrorAlone(c any, cause Cause, err error) *DeadError {
	if sent, _ := (Info{}).sentFIN(c); cause == PeerClosed && (sent || isEOF(err)) {
		return nil // EPIPE is our own doing
	}
	return newDeadError(c, cause, Info{}, err)
}
