package testnet

import (
	"context"
	"net"
	"testing"
)

// Pair returns the two ends of a TCP connection on loopback, and closes both
// when the test ends. Neither end is Multipath TCP, and Go has set no
// keepalive option on either.
func Pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l := Listen(t)
	dialer := net.Dialer{KeepAlive: -1}
	c, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// The kernel has set the connection up before Dial returned, so this
	// does not wait for anybody.
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	l.Close()
	return c.(*net.TCPConn), server
}

// Listen returns a listener on a loopback port, closed when the test ends. It
// is plain TCP, and leaves the keepalive options of what it accepts alone.
func Listen(t testing.TB) *net.TCPListener {
	t.Helper()
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}
