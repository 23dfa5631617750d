package health

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"example.com/hale/internal/netconn"
	"example.com/hale/internal/rawconn"
)

// keeper is a connection that keeps the reason of its own death, as hale.Conn.
type keeper interface {
	net.Conn
	Err() error
	Done() <-chan struct{}
}

// Check takes one look at c's socket, without blocking and without consuming
// data: nil if there is no sign of trouble about the connection, a *[DeadError]
// if it has died or the peer has closed it, and another error if it cannot be
// looked at: one that matches [errors.ErrUnsupported] and says what to do if no
// socket is found, or that of a system without such a look, as Plan 9.
//
// It finds the socket under wrappers that have a method NetConn() net.Conn, as
// [crypto/tls.Conn] has, or Raw() net.Conn, or that embed the connection under an
// exported name, as struct{ net.Conn } and struct{ *net.TCPConn }. No other method of
// theirs is called, for it may read: a LocalAddr that is certain not to is one that
// comes from what is embedded, and would tell nothing new.
//
// Unread data is no sign of trouble (under TLS it may be a protocol record),
// and it hides a close that comes behind it. A peer that vanished is found
// only once the kernel has given it up. The kernel tells the error of a death
// once: Check takes it, and the next Read on a plain connection is then a bare
// io.EOF. A hale.Conn keeps it, and Check only asks for what it keeps.
//
// A socket for datagrams (UDP, unixgram) has no end that could be seen: of it
// there is no sign of trouble until it is closed here.
func Check(c net.Conn) error {
	if k, ok := netconn.Find[keeper](c); ok {
		return k.Err()
	}
	if s, ok := netconn.Find[socket](c); ok {
		return lookAt(s)
	}
	return fmt.Errorf("health: %w", netconn.NoSocket(c))
}

// socket is a connection with a socket of its own.
type socket interface {
	net.Conn
	syscall.Conn
}

// lookAt is Check for the connection that has the socket.
func lookAt(c socket) error {
	raw, err := c.SyscallConn()
	if err == nil {
		err = peekStream(c, raw)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return errors.ErrUnsupported
	case errors.Is(err, net.ErrClosed):
		return newDeadError(c, LocalClosed, Info{}, err)
	}
	err = opError("check", c, err)
	if dead := diagnose(c, err); dead != nil {
		return dead
	}
	if errors.Is(err, io.EOF) {
		info, _ := inspectConn(c)
		return newDeadError(c, PeerClosed, info, err)
	}
	return nil // an error that the connection survived, such as an ICMP message
}

// peekStream is a peek at a stream. An empty datagram would look like its end,
// and an error that a datagram has drawn belongs to the next call.
func peekStream(c socket, raw syscall.RawConn) error {
	if _, tcp := c.(*net.TCPConn); !tcp {
		if stream, err := rawconn.IsStream(raw); err != nil || !stream {
			return err
		}
	}
	return rawconn.Control(raw, peek)
}
