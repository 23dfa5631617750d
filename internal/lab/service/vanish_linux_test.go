package service

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/rawconn"
)

// What nobody has acknowledged would be sent again, and be a sign of life.
func TestAVanishedServerIsMute(t *testing.T) {
	t.Parallel()
	s := serveEcho(t)
	c := dial(t, s)
	for range 20 { // in the end, acknowledgements are put off
		if err := echo(c, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
	defer s.Return()
	const quiet = 800 * time.Millisecond
	time.Sleep(quiet)
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	info, err := health.Inspect(raw)
	if err != nil || info.Silence() < quiet {
		t.Errorf("the server was heard %v ago, %v", info.Silence(), err)
	}
}

// The kernel gives a dead connection's port to a new one at times.
func TestAReplacedServerCanBeDialledFromThePortOfADeadConnection(t *testing.T) {
	t.Parallel()
	s := serveEcho(t)
	old := dial(t, s)
	if err := echo(old, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
	forget(t, old.(*net.TCPConn))
	if err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: old.LocalAddr(), Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", s.Addr)
	for errors.Is(err, unix.EADDRINUSE) { // a child that is being started, or another Vanish, holds the old one
		time.Sleep(settle)
		c, err = d.Dial("tcp", s.Addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := echo(c, 5*time.Second); err != nil {
		t.Error(err)
	}
}

// forget closes a connection and sends nothing, as the kernel does when it has
// given up the peer: in repair mode, tcp(7).
func forget(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rawconn.Control(raw, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
