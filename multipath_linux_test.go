//go:build linux && !hale_sweep

package hale

import (
	"net"
	"testing"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

// connectMultipath dials by Multipath TCP.
func connectMultipath(t *testing.T) (c *Conn, peer *net.TCPConn) {
	t.Helper()
	testnet.NeedLinux(t, 6, 15, "Multipath TCP as it is tried here")
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nd := new(net.Dialer)
	nd.SetMultipathTCP(true)
	dialled, err := (&Dialer{NetDialer: nd}).Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	c = dialled.(*Conn)
	if is, _ := c.MultipathTCP(); !is {
		testnet.Missing(t, "Multipath TCP")
	}
	return c, accepted.(*net.TCPConn)
}

// Nobody watches it, and the kernel remembers little of how it ended.
func TestAResetOfMultipathTCPIsOneWhoeverMetIt(t *testing.T) {
	t.Parallel()
	for name, steal := range map[string]func(c *Conn){
		"nobody":      func(*Conn) {},
		"SO_ERROR":    func(c *Conn) { takeError(c) },
		"a raw read":  func(c *Conn) { rawRead(c) },
		"net.Buffers": func(c *Conn) { (&net.Buffers{[]byte("x"), []byte("y")}).WriteTo(c) },
	} {
		for what, end := range map[string]func(peer *net.TCPConn){
			"reset":          reset,
			"with a request": func(peer *net.TCPConn) { peer.Close() }, // which it has not read
		} {
			t.Run(what+", met by "+name, func(t *testing.T) {
				t.Parallel()
				c, peer := connectMultipath(t)
				if c.Unwatched() == nil {
					t.Error("it is watched, it says")
				}
				if _, err := c.Write([]byte("request")); err != nil {
					t.Fatal(err)
				}
				var arrived [1]byte
				if _, err := peer.Read(arrived[:]); err != nil {
					t.Fatal(err)
				}
				end(peer)
				eventually(t, func() bool { return isHungUp(c) })
				steal(c)
				_, err := c.Read(make([]byte, 1))
				if dead := asDead(t, err); dead.Cause != health.Reset || c.Err() != dead || c.State() != health.Dead {
					t.Errorf("Read: %v, Err: %v", err, c.Err())
				}
				if _, err := c.Write([]byte("x")); err != c.Err() {
					t.Errorf("Write: %v, Err: %v", err, c.Err())
				}
			})
			t.Run(what+", met by "+name+", and a Write", func(t *testing.T) {
				t.Parallel()
				c, peer := connectMultipath(t)
				c.Write([]byte("request"))
				var arrived [1]byte
				if _, err := peer.Read(arrived[:]); err != nil {
					t.Fatal(err)
				}
				end(peer)
				eventually(t, func() bool { return isHungUp(c) })
				steal(c)
				_, err := c.Write([]byte("x"))
				if dead := asDead(t, err); dead.Cause != health.Reset || c.Err() != dead {
					t.Errorf("Write: %v, Err: %v", err, c.Err())
				}
			})
		}
	}
}

// isHungUp: the connection is over, whoever takes the error.
func isHungUp(c *Conn) (is bool) {
	_ = rawconn.Control(c.socket, func(fd uintptr) error {
		is = rawconn.MultipathReset(fd) != nil || !rawconn.IsMultipath(fd)
		return nil
	})
	return is
}
