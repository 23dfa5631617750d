package health

import (
	"errors"
	"net"

	"example.com/hale/internal/errno"
	"example.com/hale/internal/netconn"
)

// Diagnose turns an error that c returned into the reason of c's death, or
// into nil if c is not dead: a deadline, io.EOF from a peer that closed its
// side only (half-close is legal), EPIPE after our own CloseWrite, an ICMP
// error that the connection survived, a local Close.
//
// On Linux it asks the kernel and is exact even where the error is not: a
// death's error is delivered once, to the first call that touches the socket,
// and later calls get a bare io.EOF or EPIPE. If the error is still there, Diagnose
// takes it. Who comes after that is told of an abort, or of a stall that a reset ended, as a
// reset or a stall, and of a plain connection that the peer closed and then reset, nothing:
// it looks like one that both sides closed. Elsewhere the error decides alone. Call it before
// c is closed. c may be a wrapper; a hale.Conn, or one that lies under c, says itself why it
// died.
func Diagnose(c net.Conn, err error) *DeadError {
	if k, ok := netconn.Find[keeper](c); ok {
		return diagnoseKeeper(k, err)
	}
	if s, ok := netconn.Find[socket](c); ok {
		return diagnose(s, err)
	}
	return diagnose(c, err)
}

// diagnoseKeeper asks a connection that keeps the reason of its death. The error of
// its socket is not ours to take; one that was given past it has not told it yet.
func diagnoseKeeper(k keeper, err error) (dead *DeadError) {
	known := k.Err()
	select {
	case <-k.Done():
		if errors.As(known, &dead) && dead.Cause != LocalClosed {
			return dead
		}
		return nil
	default:
	}
	info, ierr := inspectConn(k)
	if cause := Classify(err); cause != Unknown && cause != PeerClosed && cause != LocalClosed && (ierr != nil || info.State == TCPClose) {
		return newDeadError(k, info.cause(cause), info, err)
	}
	return nil
}

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
	case errno.Of(err) == errno.Subflows && info.Probes == 0 && info.Retransmits == 0:
		return newDeadError(c, Reset, info, err) // nothing was unanswered; somebody else was given the error
	}
	return newDeadError(c, info.cause(cause), info, err)
}

// byErrorAlone is for a connection of which the kernel tells nothing. EPIPE is this
// side's own doing, or what is left of an error that somebody else was given, almost
// always that of a reset.
func byErrorAlone(c any, cause Cause, err error) *DeadError {
	sent, known := ownFIN(c)
	switch {
	case cause == PeerClosed && (sent || isEOF(err)):
		return nil
	case cause == PeerClosed && known:
		cause = Reset
	}
	return newDeadError(c, cause, Info{}, err)
}
