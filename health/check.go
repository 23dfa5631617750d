package health

import (
	"errors"
	"io"
	"net"

	"example.com/hale/internal/rawconn"
)

// keeper is a connection that keeps the reason of its own death, as hale.Conn.
type keeper interface {
	net.Conn
	Err() error
	Done() <-chan struct{}
}

// Check takes one look at c's socket, without blocking and without consuming
// data: nil if nothing speaks against the connection, a *[DeadError] if it has
// died or the peer has closed it, and another error if it cannot be looked at
// ([errors.ErrUnsupported] for a connection without a socket). It finds the
// socket under wrappers that have a NetConn method, as [crypto/tls.Conn] has.
//
// Unread data is no sign of trouble (under TLS it may be a protocol record),
// and it hides a close that comes behind it. A peer that vanished is found
// only once the kernel has given it up. The kernel tells the error of a death
// once: Check takes it, and the next Read on a plain connection is then a bare
// io.EOF. A hale.Conn keeps it, and Check only asks for what it keeps.
func Check(c net.Conn) error {
	for {
		if k, ok := c.(keeper); ok {
			return k.Err()
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return look(c)
		}
		c = w.NetConn()
	}
}

func look(c net.Conn) error {
	raw, err := rawconn.Of(c)
	if errors.Is(err, rawconn.ErrNoSocket) {
		return errors.ErrUnsupported
	}
	if err == nil {
		err = rawconn.Control(raw, peek)
	}
	if err == nil {
		return nil
	}
	opErr := &net.OpError{Op: "check", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return errors.ErrUnsupported
	case errors.Is(err, net.ErrClosed):
		return newDeadError(c, LocalClosed, Info{}, opErr)
	case errors.Is(err, io.EOF):
		return closedBy(c, opErr)
	}
	if dead := Diagnose(c, opErr); dead != nil {
		return dead
	}
	return nil // an error that the connection survived, such as an ICMP message
}

// closedBy explains an end of stream: the peer's FIN, or a death whose error
// somebody else has been given.
func closedBy(c net.Conn, err error) *DeadError {
	if dead := Diagnose(c, err); dead != nil {
		return dead
	}
	info, _ := inspectConn(c)
	return newDeadError(c, PeerClosed, info, err)
}
