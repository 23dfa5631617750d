package pool

import (
	"net"
	"syscall"

	"example.com/hale/internal/netconn"
)

// peeker sees whether there is something to read on a connection, without
// reading it. The zero value sees nothing.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr)
	found bool
}

// at points the peeker at conn's socket, if it has one. It keeps what a look
// needs, so that a look allocates nothing.
func (p *peeker) at(conn net.Conn) {
	sc, ok := netconn.Find[syscall.Conn](conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	p.raw, p.look = raw, func(fd uintptr) { p.found = readable(fd) }
}

func (p *peeker) unread() bool {
	return p.raw != nil && p.raw.Control(p.look) == nil && p.found
}
