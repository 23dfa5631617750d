package hale

import (
	"context"
	"net"
	"syscall"

	"example.com/hale/internal/rawconn"
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

	// Observer is told about the deaths and the closing of accepted
	// connections; it may be nil.
	Observer *Observer
}

// Listen listens on the address with a zero [ListenConfig].
func Listen(network, address string) (net.Listener, error) {
	return new(ListenConfig).Listen(context.Background(), network, address)
}

// Listen listens on the address; network and address are as [net.Listen] takes
// them. The connections that Accept returns are *[Conn] if they are TCP.
// Closing the listener leaves accepted connections alive.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	nlc := lc.netListenConfig()
	nlc.KeepAlive, nlc.KeepAliveConfig = -1, net.KeepAliveConfig{}
	if _, err := planFor(lc.KeepAlive); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	inner, err := nlc.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return NewListener(inner, lc)
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
// below TLS: wrap its result by [crypto/tls.NewListener], not the other way.
// The error says which field of config is out of range; inner is then left
// open.
func NewListener(inner net.Listener, config *ListenConfig) (net.Listener, error) {
	if config == nil {
		config = new(ListenConfig)
	}
	plan, err := planFor(config.KeepAlive)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: inner, plan: plan, observer: config.Observer}, nil
}

type listener struct {
	net.Listener
	plan     sockopt.Plan
	observer *Observer
}

// SyscallConn makes the inner listener's socket reachable, if it has one.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return rawconn.Of(l.Listener) }

// Accept applies the plan to each connection itself: what a listener's own
// options hand down differs from system to system, and an MPTCP listener has
// no pace to hand down.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	tcp, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		return conn, err
	}
	// A client that is gone already is no reason for Accept to fail: the
	// connection's Report and its first Read tell.
	c, _ := newConn(tcp, l.plan, l.observer)
	_ = c.startWatch()
	return c, nil
}
