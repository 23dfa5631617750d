package hale

import (
	"context"
	"net"
	"syscall"
	"time"

	"example.com/hale/internal/netconn"
	"example.com/hale/sockopt"
)

// A Dialer dials as a [net.Dialer] does and gives connections that notice when
// their peer is gone. The zero value dials with net.Dialer's defaults and
// notices within 30 seconds.
//
// The promise holds for the dial, too: one that nobody has set a time for takes
// at most KeepAlive.Within, 30 seconds by default, the look-up of the name
// included, and then fails by a timeout. (The kernel alone would give up after
// two minutes and more.) With numbers instead of a Within it is the larger of
// UserTimeout and the end of the detection window ([sockopt.KeepAlive.Window],
// in the system's units); without either, as with KeepAlive.Disabled and no
// UserTimeout, there is no bound. NetDialer.Timeout, NetDialer.Deadline or a
// ctx with a deadline take its place.
//
// Its DialContext fits wherever a dial function is asked for:
// http.Transport.DialContext, pgconn.Config.DialFunc, redis.Options.Dialer,
// grpc.WithContextDialer and others.
//
// A Dialer may be used by several goroutines at once. Its fields must not be
// changed once it is in use; it never changes what they point to.
type Dialer struct {
	// NetDialer does the dialling: its timeouts, local address, resolver,
	// Happy Eyeballs and Control functions all apply (Control first, then the
	// options of this package). Its KeepAlive and KeepAliveConfig do not:
	// KeepAlive below takes their place. Nil is a zero net.Dialer.
	//
	// A Timeout above zero, a Deadline or that of the ctx bounds the dial, the
	// earliest of them, and package net divides it among the addresses of a name, two
	// seconds at least for each, so that the last of many may have none. If there is
	// none of these, the promise of KeepAlive does: each address of a family has its
	// turn after an equal share of it, or when those before have failed, a tenth of a
	// second at least; those before may answer until the end (as in RFC 8305); with a
	// LocalAddr package net divides. A negative Timeout means no bound but Deadline and
	// ctx; package net by itself would fail at once.
	NetDialer *net.Dialer

	// KeepAlive says within what time a dead peer must be noticed. Zero is
	// sockopt.Within(30 * time.Second). A peer that lives and reads slowly, or
	// not at all, is left alone unless StallTimeout is set.
	KeepAlive sockopt.KeepAlive

	// Strict makes a dial fail if the operating system refused, or does not
	// have, an option that KeepAlive asks for; the error names it; and if the
	// connection cannot be watched. Otherwise the connection is made, and its
	// Report says what is missing, and Unwatched why it is not watched.
	Strict bool

	// Observer is told about the dials and their connections; it may be nil.
	Observer *Observer
}

// Dial connects to the address on the network with a zero [Dialer]: a peer that
// vanishes is noticed within 30 seconds, be it during the dial; one that only
// does not read is left alone. For "tcp", "tcp4" and "tcp6" the result is a
// [*Conn].
func Dial(network, address string) (net.Conn, error) {
	return new(Dialer).Dial(network, address)
}

// Dial connects to the address on the network; see [Dialer.DialContext].
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to the address on the network, both as [net.Dial] takes
// them. For "tcp", "tcp4" and "tcp6" the result is a [*Conn]; other networks
// are left to NetDialer and give its plain connections.
//
// ctx bounds the dial alone; once connected, it has no effect. If neither it
// nor NetDialer has a limit of time, the dial of a TCP connection is bounded by
// the promise of KeepAlive, see [Dialer]. Should that time pass while this process
// stands still (stopped, paused with its machine, without a processor) for more
// than an eighth of it, and a tenth of a second, the dial is made once more, for
// the time that was missed, at most all of it.
//
// A KeepAlive that is out of range fails before any socket is made. Errors are
// those of net.Dialer, a *[net.OpError] as a rule; a bound that passes is its
// timeout, of which Timeout is true.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	caller := ctx // who may want to know what is dialled; a hook's context need not come from it
	ctx = d.Observer.dialStart(ctx, DialStartInfo{Network: network, Address: address, KeepAlive: d.KeepAlive})
	start := time.Now()
	conn, err := d.dial(ctx, network, address)
	done := DialDoneInfo{Network: network, Address: address, Duration: time.Since(start), Err: err}
	if c, ok := conn.(*Conn); ok {
		done.Conn = c
		netconn.Note(caller, c)
	}
	told := false
	defer func() {
		if !told && conn != nil { // the hook panicked, or ended its goroutine, and nobody has the connection
			_ = conn.Close()
		}
	}()
	d.Observer.dialDone(ctx, done)
	told = true
	return conn, err
}

func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := d.netDialer()
	if !isTCP(network) {
		boundDial(ctx, &nd, 0)
		return nd.DialContext(ctx, network, address)
	}
	p, err := planFor(d.KeepAlive, 0)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	d.own(&nd, p)
	conn, err := dialWithin(ctx, &nd, promised(p.plan), network, address)
	if err != nil {
		return nil, err
	}
	return d.adopt(conn.(*net.TCPConn))
}

// netDialer returns a copy of NetDialer to be changed at will.
func (d *Dialer) netDialer() net.Dialer {
	if d.NetDialer == nil {
		return net.Dialer{}
	}
	return *d.NetDialer
}

// own takes the keepalive options out of net.Dialer's hands, which would set
// its own after the connect and drop the errors, and has them set before the
// connect instead. The timeouts and the pace are left for later: set now, they
// would shorten the connect too (tcp(7), tcp_connect_init). What is set now is read
// back then, with the rest.
func (d *Dialer) own(nd *net.Dialer, p *planned) {
	nd.KeepAlive, nd.KeepAliveConfig = -1, net.KeepAliveConfig{}
	if len(p.before.Ops) == 0 {
		return // this system's dialer may not have a Control function at all
	}
	theirs, strict := controlOf(nd), d.Strict
	nd.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if theirs != nil {
			if err := theirs(ctx, network, address, c); err != nil {
				return err
			}
		}
		if err := p.before.Set(c); err != nil && strict {
			return err
		}
		return nil
	}
}

type control = func(ctx context.Context, network, address string, c syscall.RawConn) error

// controlOf returns the Control function that nd would call, or nil.
func controlOf(nd *net.Dialer) control {
	plain := nd.Control
	if nd.ControlContext != nil || plain == nil {
		return nd.ControlContext
	}
	return func(_ context.Context, network, address string, c syscall.RawConn) error {
		return plain(network, address, c)
	}
}

// adopt sets the rest of the plan, now that the connection stands.
func (d *Dialer) adopt(tcp *net.TCPConn) (net.Conn, error) {
	c, err := newConn(tcp, d.Observer)
	if err == nil {
		err = c.hold(d.KeepAlive, true)
	}
	if err == nil {
		err = c.begin(d.KeepAlive, d.Strict)
	}
	if err != nil {
		tcp.Close()
		return nil, &net.OpError{Op: "dial", Net: tcp.LocalAddr().Network(), Source: tcp.LocalAddr(), Addr: tcp.RemoteAddr(), Err: err}
	}
	return c, nil
}

func isTCP(network string) bool {
	return network == "tcp" || network == "tcp4" || network == "tcp6"
}
