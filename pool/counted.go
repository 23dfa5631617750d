package pool

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// countedConn counts for a connection that does not count by itself.
type countedConn struct {
	net.Conn
	meter    netconn.Meter
	received atomic.Uint64
	death    atomic.Pointer[health.DeadError] // by Abort
}

// counted returns conn if it counts what is done on it, or conn in something
// that does.
func counted(conn net.Conn) net.Conn {
	if _, ok := netconn.Find[netconn.Metered](conn); ok {
		return conn
	}
	return &countedConn{Conn: conn}
}

// meterOf returns the account of a connection that [counted] returned.
func meterOf(conn net.Conn) *netconn.Meter {
	m, _ := netconn.Find[netconn.Metered](conn)
	return m.Meter()
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.received.Add(uint64(n))
	}
	return n, c.failed(err)
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.meter.Wrote(int64(n))
	return n, c.failed(err)
}

// failed counts an error, and says what the connection has died of, if it was aborted.
func (c *countedConn) failed(err error) error {
	if err == nil {
		return nil
	}
	c.meter.Fault()
	if dead := c.death.Load(); dead != nil {
		return dead
	}
	return err
}

// Received returns how many bytes were read.
func (c *countedConn) Received() uint64 { return c.received.Load() }

// Abort has calls fail with why, once they fail.
func (c *countedConn) Abort(why *health.DeadError) { c.death.CompareAndSwap(nil, why) }

func (c *countedConn) NetConn() net.Conn     { return c.Conn }
func (c *countedConn) Meter() *netconn.Meter { return &c.meter }

// SyscallConn is there for drivers that look at the socket.
func (c *countedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
