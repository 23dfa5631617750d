package pool

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// countedConn counts for a connection that does not count by itself.
type countedConn struct {
	net.Conn
	faults, written atomic.Uint64
}

// counted returns conn if it counts its faults, or conn in something that does.
func counted(conn net.Conn) net.Conn {
	if _, ok := find[counter](conn); ok {
		return conn
	}
	return &countedConn{Conn: conn}
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.faults.Add(1)
	}
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n > 0 {
		c.written.Add(uint64(n))
	}
	if err != nil {
		c.faults.Add(1)
	}
	return n, err
}

func (c *countedConn) NetConn() net.Conn { return c.Conn }
func (c *countedConn) Faults() uint64    { return c.faults.Load() }
func (c *countedConn) Written() uint64   { return c.written.Load() }

// SyscallConn is there for drivers that look at the socket.
func (c *countedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
