package health

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"example.com/hale/internal/lab/testnet"
)

// patience is how long a call here may block that nobody's death ends.
const patience = 20 * time.Second

// reset has the far end of a connection send RST.
func reset(peer *net.TCPConn) {
	peer.SetLinger(0)
	peer.Close()
}

// blockedRead returns what a Read gets that is blocked while end happens.
func blockedRead(c *net.TCPConn, end func()) error {
	c.SetReadDeadline(time.Now().Add(patience))
	go end()
	_, err := c.Read(make([]byte, 1))
	return err
}

// resetRead returns what a Read gets that is blocked while the peer resets the
// connection. Wine 8 gives io.EOF to one that comes after the reset: then it is
// tried again, with more time for the Read to begin.
func resetRead(t *testing.T) (client *net.TCPConn, err error) {
	t.Helper()
	for head := time.Duration(0); head < time.Second; head += 50 * time.Millisecond {
		var server *net.TCPConn
		client, server = testnet.Pair(t)
		err = blockedRead(client, func() { time.Sleep(head); reset(server) })
		if err != io.EOF {
			break
		}
	}
	return client, err
}

// writeUntilRefused writes until that fails: the first write into a connection
// that the peer has reset may still be taken.
func writeUntilRefused(c *net.TCPConn) error {
	c.SetWriteDeadline(time.Now().Add(patience))
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
	}
}

func refusedDial(t *testing.T) error {
	l := testnet.Listen(t)
	address := l.Addr().String()
	l.Close()
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err
}

// Each error here comes from the system, as this Windows numbers it.
func TestClassifyReadsRealErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		get   func(t *testing.T, client, server *net.TCPConn) error
		is    error
		cause Cause
		dead  bool // what IsDead says
		death bool // what Diagnose says: EOF and a local close are no death of the connection
	}{
		{
			name:  "a refused dial",
			get:   func(t *testing.T, _, _ *net.TCPConn) error { return refusedDial(t) },
			is:    windows.WSAECONNREFUSED,
			cause: Unknown,
		}, {
			name: "a reset, met by a read",
			get: func(_ *testing.T, client, server *net.TCPConn) error {
				return blockedRead(client, func() { reset(server) })
			},
			is:    windows.WSAECONNRESET,
			cause: Reset, dead: true, death: true,
		}, {
			name: "a reset, met by a write",
			get: func(_ *testing.T, client, server *net.TCPConn) error {
				reset(server)
				return writeUntilRefused(client)
			},
			is:    windows.WSAECONNRESET,
			cause: Reset, dead: true, death: true,
		}, {
			name: "an orderly close",
			get: func(_ *testing.T, client, server *net.TCPConn) error {
				return blockedRead(client, func() { server.Close() })
			},
			is:    io.EOF,
			cause: PeerClosed, dead: true,
		}, {
			name: "a deadline",
			get: func(_ *testing.T, client, _ *net.TCPConn) error {
				client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				_, err := client.Read(make([]byte, 1))
				return err
			},
			is:    os.ErrDeadlineExceeded,
			cause: Unknown,
		}, {
			name: "a close of this side",
			get: func(_ *testing.T, client, _ *net.TCPConn) error {
				return blockedRead(client, func() { client.Close() })
			},
			is:    net.ErrClosed,
			cause: LocalClosed, dead: true,
		}, {
			name: "a write after CloseWrite",
			get: func(_ *testing.T, client, _ *net.TCPConn) error {
				client.CloseWrite()
				return writeUntilRefused(client)
			},
			is:    windows.WSAESHUTDOWN,
			cause: PeerClosed, dead: true, death: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			err := test.get(t, client, server)
			dead := Diagnose(client, err)
			t.Logf("%v: errno %d, %v, diagnosed %v", err, errnoOf(err), Classify(err), dead)
			if !errors.Is(err, test.is) {
				t.Fatalf("%v (%d) is not %v", err, errnoOf(err), test.is)
			}
			if got := Classify(err); got != test.cause || IsDead(err) != test.dead {
				t.Errorf("%v is %v, dead %v; want %v, dead %v", err, got, IsDead(err), test.cause, test.dead)
			}
			if (dead != nil) != test.death || dead != nil && dead.Cause != test.cause {
				t.Errorf("diagnosed as %v", dead)
			}
		})
	}
}

func errnoOf(err error) (errno syscall.Errno) {
	errors.As(err, &errno)
	return errno
}

// What a Read was given is not lost to those who look at the socket later.
func TestAResetThatAReadWasGivenIsStillSeen(t *testing.T) {
	t.Parallel()
	client, err := resetRead(t)
	if Classify(err) != Reset {
		t.Fatal("read:", err)
	}
	var dead *DeadError
	if err := Check(client); !errors.As(err, &dead) || dead.Cause != Reset {
		t.Error("Check says", err)
	}
}

// A look at a socket that somebody reads from must not wait for data: the Read
// may take what made it worth a look.
func TestALookNeverBlocks(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	var looks atomic.Int64
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; !closed(stop); looks.Add(1) {
			if err := Check(client); err != nil && !closed(stop) {
				t.Error(err)
			}
		}
	}()
	defer func() {
		close(stop)
		server.Close() // which ends a look that hangs
		<-done
	}()
	for over := time.Now().Add(3 * time.Second); time.Now().Before(over); {
		go server.Write([]byte("x"))
		if err := blockedRead(client, func() {}); err != nil {
			t.Fatal(err)
		}
		if !passes(&looks, looks.Load()+1) {
			t.Fatalf("after %d looks one does not come back", looks.Load())
		}
	}
	t.Logf("%d looks", looks.Load())
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// passes waits until n is above limit.
func passes(n *atomic.Int64, limit int64) bool {
	for deadline := time.Now().Add(patience); n.Load() <= limit; runtime.Gosched() {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// 10060 is what package syscall calls by an invented number: the bare error is
// neither a timeout nor syscall.ETIMEDOUT, its explanation is the latter.
func TestAKeepaliveDeathIsWSAETIMEDOUT(t *testing.T) {
	t.Parallel()
	address := os.Getenv("HALE_PEER")
	if address == "" {
		testnet.Missing(t, "a peer to be frozen: HALE_PEER has no address")
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("freeze\n")); err != nil {
		t.Fatal(err)
	}
	err = blockedRead(conn.(*net.TCPConn), func() {})
	t.Logf("%v: errno %d, %v", err, errnoOf(err), Classify(err))
	var ne net.Error
	if !errors.Is(err, windows.WSAETIMEDOUT) || errors.Is(err, syscall.ETIMEDOUT) || !errors.As(err, &ne) || ne.Timeout() {
		t.Fatalf("%v (%d)", err, errnoOf(err))
	}
	dead := Diagnose(conn, err)
	if dead == nil || dead.Cause != KeepAliveTimeout || !errors.Is(dead, syscall.ETIMEDOUT) || dead.Timeout() {
		t.Errorf("diagnosed as %v", dead)
	}
}
