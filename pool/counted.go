package pool

import (
	"errors"
	"net"
	"syscall"

	"example.com/hale/internal/netconn"
)

// countedConn counts for a connection that does not count by itself.
type countedConn struct {
	net.Conn
	meter netconn.Meter
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
	if err != nil {
		c.meter.Fault()
	}
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.meter.Wrote(int64(n))
	if err != nil {
		c.meter.Fault()
	}
	return n, err
}

func (c *countedConn) NetConn() net.Conn     { return c.Conn }
func (c *countedConn) Meter() *netconn.Meter { return &c.meter }

// SyscallConn is there for drivers that look at the socket.
func (c *countedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
