// Package healthtest makes a live TCP peer vanish, on one machine, so that a
// test can watch a real kernel give a connection up.
//
// A proxy cannot do that: its kernel answers keepalive probes and
// acknowledges data for as long as the proxy has the connection open. Nor can
// a stopped process, since its kernel does the same for it. [Freeze] works a
// layer further down: it makes the peer's socket drop every segment that
// arrives, so nothing is acknowledged any more, on loopback too, and to the
// other side the peer looks like a machine that was paused, unplugged or lost
// behind a firewall. Thawing brings it back.
//
// Freezing needs Linux and, on kernels that restrict socket filters,
// CAP_NET_ADMIN over the network namespace. [Isolate] gives it to a test
// binary or a program that was started without.
package healthtest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"example.com/hale/internal/netconn"
	"example.com/hale/internal/rawconn"
)

// Freeze makes peer deaf: from now on its socket drops every TCP segment that
// reaches it, as if peer's machine had been paused. Call it on the far end of
// the connection under test; that end has to be a socket of this process.
// thaw undoes it, and what was sent meanwhile arrives by retransmission, if
// neither kernel has given the connection up.
//
// What a frozen peer still does:
//   - It reads what had arrived before.
//   - It sends. A Write by the frozen peer reaches the other side, Close sends
//     a FIN there, and when its own keepalive or user timeout gives up, a RST.
//     So keep a frozen peer open and quiet, and its own timers slower than the
//     ones under test (net.ListenConfig.KeepAlive = -1 takes its keepalive
//     away). Keepalive probes that a frozen peer sends do not count as a sign
//     of life on the other side; data does, and what was not acknowledged at
//     the freeze is sent again and again.
//   - It keeps its pair of ports: a dial that is given the same local port
//     once more hangs, as its SYN is dropped like everything else.
//
// peer is a [*net.TCPConn], anything that has its SyscallConn method, or a
// wrapper around either as [health.Check] knows, such as [crypto/tls.Conn].
// Multipath TCP cannot be frozen; Go's listeners ask for it by default, but a
// connection accepted from a plain TCP client is plain TCP.
//
// Freezes do not nest: freezing twice is freezing once, and either thaw ends
// it. A socket filter that was attached before is replaced, and gone after
// thaw. Sockets other than peer's are not affected, see [FreezeListener].
//
// thaw acts once; further calls return what the first returned. After peer was
// closed it does nothing and returns nil. Freeze and thaw are safe for
// concurrent use with each other and with everything on peer. They hold for
// every segment sent after they return; one that is on its way meanwhile may
// meet either state.
//
// The error matches [errors.ErrUnsupported] on systems other than Linux and on
// kernels that take a socket filter and do not keep it (gVisor),
// [os.ErrPermission] where the process lacks CAP_NET_ADMIN, and
// [net.ErrClosed] if peer is closed.
func Freeze(peer net.Conn) (thaw func() error, err error) {
	return freeze(peer)
}

// FreezeListener makes l deaf to new connections: the kernel drops each SYN,
// so dials neither succeed nor are refused, they hang until their own timeout
// as with a host that is gone. thaw undoes it; a dial that still waits then
// succeeds at its next SYN, which the kernel retransmits after 1, 2, 4 ...
// seconds.
//
// Connections that l's kernel has already set up, accepted by the program or
// not, stay as they are: to make a whole server vanish, freeze the listener
// first and then every accepted connection. While l is frozen none is set up,
// so there is none that could inherit the filter.
//
// l is a [*net.TCPListener] or has its SyscallConn method, and is plain TCP:
// Go's listeners ask for Multipath TCP by default, which cannot be frozen, so
// make l with a [net.ListenConfig] after SetMultipathTCP(false), or with
// GODEBUG=multipathtcp=0.
//
// Errors, thaw and concurrency are as with [Freeze].
func FreezeListener(l net.Listener) (thaw func() error, err error) {
	return freeze(l)
}

func freeze(c any) (thaw func() error, err error) {
	raw, err := socketUnder(c)
	if err == nil {
		err = rawconn.Control(raw, attachDropAll)
	}
	if err != nil {
		return nil, fmt.Errorf("healthtest: freeze %T: %w", c, err)
	}
	return sync.OnceValue(func() error { return thawSocket(raw) }), nil
}

// socketUnder finds the socket of c, through wrappers if need be.
func socketUnder(c any) (syscall.RawConn, error) {
	conn, ok := c.(net.Conn)
	if !ok {
		return rawconn.Of(c) // a listener
	}
	if socket, ok := netconn.Find[syscall.Conn](conn); ok {
		return rawconn.Of(socket)
	}
	return nil, rawconn.ErrNoSocket
}

func thawSocket(raw syscall.RawConn) error {
	err := rawconn.Control(raw, detach)
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("healthtest: thaw: %w", err)
}
