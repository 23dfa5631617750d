package hale

import (
	"errors"
	"net"
	"time"

	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/rawconn"
	"example.com/hale/internal/tcpretries"
	"example.com/hale/sockopt"
)

// facts are what is known of a connection's making.
type facts struct {
	report    sockopt.Report
	unwatched string // why, or ""
}

// known is the facts of a connection, and of others with the same, and what follows
// from them.
type known struct {
	facts
	limits           deathwatch.Limits
	earliest, latest time.Duration // the window
	promised         time.Duration
}

func (f facts) known() *known {
	k := &known{facts: f, limits: limitsOf(f.report), promised: promisedTo(f.report)}
	k.earliest, k.latest = f.report.Window()
	return k
}

// Report says which options were asked for and what the operating system made
// of them. It was taken when the connection was made, or by
// [Conn.SetOptions] since. While the watch asks a peer that owes an answer, the
// socket holds other values for a while; see package deathwatch.
func (c *Conn) Report() sockopt.Report { return c.known().report }

// Unwatched returns why the death watch cannot watch the connection, and nil if it
// does: the connection is Multipath TCP, of whose first subflow alone the kernel tells;
// it was made inside a testing/synctest bubble; or a system call failed. Such a
// connection keeps the first error that a call meets; Err looks at the socket each time,
// and Done is closed when a call meets the death. Where the kernel fills no TCP_INFO
// (gVisor), Done and Err tell what it finds by itself, and there are no early warnings.
//
// In either case the promise is left to the kernel, as by [sockopt.Control]: with a user
// timeout, where there is one, which ends a live peer that does not read too; the first
// write into a silence starts its clock anew, so that five thirds of the promised time may
// pass (50 s, for Within(30s)). Report says what is set. A Strict Dialer
// or ListenConfig does not make such a connection.
func (c *Conn) Unwatched() error {
	if why := c.known().unwatched; why != "" {
		return &unwatchedError{why}
	}
	return nil
}

// unwatchedError matches [errors.ErrUnsupported].
type unwatchedError struct{ why string }

func (e *unwatchedError) Error() string        { return "hale: not watched: " + e.why }
func (e *unwatchedError) Is(target error) bool { return target == errors.ErrUnsupported }

// known is what is known of the connection.
func (c *Conn) known() *known {
	if k := c.made.Load(); k != nil {
		return k
	}
	return unmade
}

// unmade is for a connection that had no socket to apply anything to.
var unmade = facts{}.known()

// apply carries a plan of p out, all of it or what is left of it, and keeps the report.
func (c *Conn) apply(p *planned, plan sockopt.Plan) error {
	report, err := plan.Apply(c.socket)
	c.made.Store(p.share(facts{report, c.known().unwatched}))
	return err
}

// hold sets the options for k; those that may be set before a connect were, if it has
// begun.
func (c *Conn) hold(k sockopt.KeepAlive, begun bool) error {
	p, err := planFor(k, c.retries2())
	switch {
	case err != nil:
		return err
	case begun:
		return c.apply(p, p.after)
	}
	return c.apply(p, p.plan)
}

// retries2 is the setting of the connection's network namespace; zero if it is not
// known.
func (c *Conn) retries2() (n uint8) {
	_ = rawconn.Control(c.socket, func(fd uintptr) error {
		n = tcpretries.Of(fd)
		return nil
	})
	return n
}

// SetOptions holds the connection to k from now on, as a [Dialer] with that
// KeepAlive would have done, and returns what became of it. The error is a
// [*sockopt.RangeError], with nothing changed, or [net.ErrClosed].
func (c *Conn) SetOptions(k sockopt.KeepAlive) (sockopt.Report, error) {
	plan := planFor
	if c.known().unwatched != "" {
		plan = planUnwatched
	}
	p, err := plan(k, c.retries2())
	if err == nil {
		err = c.set(func() error {
			_ = p.plan.Undo(c.known().report).Set(c.socket)
			return c.apply(p, p.plan)
		})
	}
	if err != nil {
		return sockopt.Report{}, &net.OpError{Op: "set", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	return c.Report(), nil
}

// SetKeepAlive switches keepalive as [net.TCPConn.SetKeepAlive] does. Without
// it an idle connection whose peer is gone is not noticed.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.set(func() error { return c.TCPConn.SetKeepAlive(keepalive) })
}

// SetKeepAlivePeriod sets the idle time (before Go 1.23 the interval, too) as
// [net.TCPConn.SetKeepAlivePeriod] does, and has the watch go by them.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.set(func() error { return c.TCPConn.SetKeepAlivePeriod(d) })
}

// SetKeepAliveConfig sets the keepalive options as
// [net.TCPConn.SetKeepAliveConfig] does, and has the watch go by them.
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	return c.set(func() error { return c.TCPConn.SetKeepAliveConfig(config) })
}

// set sets options, while the watch has none of its own there, and has it go by them.
func (c *Conn) set(options func() error) error {
	if s := c.supervision.Load(); s != nil {
		return s.Refresh(options)
	}
	return options()
}
