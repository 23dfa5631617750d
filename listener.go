package hale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"example.com/hale/internal/netconn"
	"example.com/hale/sockopt"
)

// A ListenConfig listens as a [net.ListenConfig] does and gives accepted
// connections what a [Dialer] gives dialled ones. The zero value notices a
// dead client within 30 seconds.
//
// It may be used by several goroutines at once; its fields must not be changed
// once it is in use.
type ListenConfig struct {
	// NetListenConfig does the listening; its Control function applies, its
	// KeepAlive and KeepAliveConfig do not. It keeps its own setting of
	// multipath TCP, which Go turns on for listeners by default: a connection
	// that a client negotiates as MPTCP refuses a stall timeout and a
	// pace, as its Report then says. Nil listens with plain TCP only.
	NetListenConfig *net.ListenConfig

	// KeepAlive says within what time a dead client must be noticed. Zero is
	// sockopt.Within(30 * time.Second). A client that lives and reads slowly, or
	// not at all, is left alone unless StallTimeout is set.
	KeepAlive sockopt.KeepAlive

	// Strict makes Accept close a connection, and wait for the next, if the
	// operating system refused, or does not have, an option that KeepAlive asks
	// for, or if the connection cannot be watched. Accept itself does not fail for
	// it: that would end many a server for the sake of one client. Nobody but the
	// Observer is told (Accepted), so a Strict listener should have one.
	// Otherwise the connection is returned, and its Report says what is missing.
	// It has no effect on connections that are not TCP.
	Strict bool

	// Observer is told about the accepted connections, their deaths and their
	// closing; it may be nil.
	Observer *Observer
}

// Listen listens on the address with a zero [ListenConfig].
func Listen(network, address string) (net.Listener, error) {
	return new(ListenConfig).Listen(context.Background(), network, address)
}

// Listen listens on the address; network and address are as [net.Listen] takes
// them. The connections that Accept returns are *[Conn] if they are TCP.
// Closing the listener leaves accepted connections alive.
//
// The listener has the methods SetDeadline, SyscallConn and File of a
// [net.TCPListener], too.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	nlc := lc.netListenConfig()
	nlc.KeepAlive, nlc.KeepAliveConfig = -1, net.KeepAliveConfig{}
	p, err := planFor(lc.KeepAlive, 0)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	begun := isTCP(network) && handsDown
	if begun {
		handDown(&nlc, p)
	}
	inner, err := nlc.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newListener(inner, lc, begun), nil
}

// handsDown: accepted connections have the keepalive options of their listener (Linux,
// tcp_create_openreq_child).
const handsDown = runtime.GOOS == "linux" || runtime.GOOS == "android"

// handDown has the listener hold what accepted connections are to have. Where it does
// not, or does not hand it down, Accept finds that out.
func handDown(nlc *net.ListenConfig, p *planned) {
	theirs := nlc.Control
	nlc.Control = func(network, address string, c syscall.RawConn) error {
		if theirs != nil {
			if err := theirs(network, address, c); err != nil {
				return err
			}
		}
		_ = p.before.Set(c)
		return nil
	}
}

func (lc *ListenConfig) netListenConfig() net.ListenConfig {
	if lc.NetListenConfig != nil {
		return *lc.NetListenConfig
	}
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	return plain
}

// NewListener gives the TCP connections that inner accepts what config says
// (nil is a zero [ListenConfig]; its NetListenConfig is not used). It lies
// below TLS and other wrappers: wrap its result by [crypto/tls.NewListener], not the
// other way, for which Accept has an error that matches [errors.ErrUnsupported].
// The error says that inner is nil, or which field of config is out of range; inner is
// then left open.
//
// The methods SetDeadline, SyscallConn and File of the result are those of inner;
// their error matches [errors.ErrUnsupported] if inner has no such method.
func NewListener(inner net.Listener, config *ListenConfig) (net.Listener, error) {
	if inner == nil {
		return nil, errors.New("hale: NewListener needs a listener")
	}
	if config == nil {
		config = new(ListenConfig)
	}
	if _, err := planFor(config.KeepAlive, 0); err != nil {
		return nil, err
	}
	return newListener(inner, config, false), nil
}

func newListener(inner net.Listener, config *ListenConfig, begun bool) *listener {
	return &listener{Listener: inner, keepAlive: config.KeepAlive, begun: begun, strict: config.Strict, observer: config.Observer}
}

type listener struct {
	net.Listener
	keepAlive sockopt.KeepAlive
	begun     bool // what a connection may have before it stands, the listener has handed down
	strict    bool
	observer  *Observer
}

// Accept sets on each connection itself what it does not hold: what a listener's own
// options hand down differs from system to system, and an MPTCP listener has
// no pace to hand down.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		tcp, ok := conn.(*net.TCPConn)
		switch {
		case err != nil:
			return nil, err
		case ok && tcp != nil:
			if c := l.adopt(tcp); c != nil {
				return c, nil
			}
		default:
			return l.other(conn)
		}
	}
}

// adopt makes a Conn of what was accepted, or closes it and returns nil. A client
// that is gone already is no reason for Accept to fail: the connection's Report
// and its first Read tell.
func (l *listener) adopt(tcp *net.TCPConn) *Conn {
	c, err := newConn(tcp, l.observer)
	c.origin = fromAccept
	if err == nil {
		err = c.hold(l.keepAlive, l.begun)
	}
	if err == nil {
		err = c.known().report.Err()
	}
	if err == nil || !l.strict {
		err = cmp.Or(err, c.startWatch(l.keepAlive))
	}
	if err != nil {
		err = &net.OpError{Op: "accept", Net: l.Addr().Network(), Source: tcp.LocalAddr(), Addr: tcp.RemoteAddr(), Err: err}
	}
	if err != nil && l.strict {
		tcp.Close()
		c = nil
	}
	told := false
	defer func() {
		if !told { // the hook panicked, or ended its goroutine, and nobody has the connection
			_ = tcp.Close()
		}
	}()
	l.observer.accepted(AcceptedInfo{Conn: c, RemoteAddr: tcp.RemoteAddr(), Err: err})
	told = true
	return c
}

// other lets pass what is not TCP, or ours already. A wrapper of a TCP connection, as
// a TLS listener makes it, would have neither the options nor a watch, and nobody
// would know.
func (l *listener) other(conn net.Conn) (net.Conn, error) {
	if _, ours := From(conn); ours {
		return conn, nil
	}
	if _, ok := netconn.Find[*net.TCPConn](conn); !ok {
		return conn, nil
	}
	conn.Close()
	return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(),
		Err: fmt.Errorf("hale.NewListener is over a listener that wraps (%T), and has to be under it: %w", conn, errors.ErrUnsupported)}
}

// SetDeadline bounds Accept, as [net.TCPListener.SetDeadline] does.
func (l *listener) SetDeadline(t time.Time) error {
	if inner, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		return inner.SetDeadline(t)
	}
	return l.lacks("set deadline")
}

// SyscallConn gives the inner listener's socket, as
// [net.TCPListener.SyscallConn] does.
func (l *listener) SyscallConn() (syscall.RawConn, error) {
	if inner, ok := l.Listener.(syscall.Conn); ok {
		return inner.SyscallConn()
	}
	return nil, l.lacks("raw")
}

// File gives a copy of the inner listener's socket, as [net.TCPListener.File]
// does.
func (l *listener) File() (*os.File, error) {
	if inner, ok := l.Listener.(interface{ File() (*os.File, error) }); ok {
		return inner.File()
	}
	return nil, l.lacks("file")
}

// lacks is the error for a method that the inner listener does not have.
func (l *listener) lacks(op string) error {
	return &net.OpError{Op: op, Net: l.Addr().Network(), Addr: l.Addr(), Err: errors.ErrUnsupported}
}
