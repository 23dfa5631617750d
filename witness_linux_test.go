//go:build linux && !hale_sweep

package hale

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

var verdictStates = map[string]func(t *testing.T, c *Conn, peer *net.TCPConn){
	"idle": func(*testing.T, *Conn, *net.TCPConn) {},
	"in flight": func(t *testing.T, c *Conn, _ *net.TCPConn) { // acknowledged, and no reply
		if _, err := c.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		awaitInfo(t, c, func(i health.Info) bool { return i.Unacked == 0 })
	},
	"window shut": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		// Dozens of full buffers beside each other would be more than the machine
		// has for TCP (tcp_mem), and then nothing at all is taken.
		c.SetWriteBuffer(32 << 10)
		peer.SetReadBuffer(32 << 10)
		for i, _ := c.Info(); i.BytesSent == 0 || i.Unsent == 0; i, _ = c.Info() { // the deadline also passes where this machine stands still
			c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			var err error
			for err == nil {
				_, err = c.Write(make([]byte, 1<<20))
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
		c.SetWriteDeadline(time.Time{})
	},
	"unread": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		if _, err := peer.Write([]byte("not asked for")); err != nil {
			t.Fatal(err)
		}
		awaitInfo(t, c, func(i health.Info) bool { return i.BytesReceived > 0 })
	},
	"closed for writing": func(t *testing.T, c *Conn, _ *net.TCPConn) {
		c.CloseWrite()
		awaitInfo(t, c, func(i health.Info) bool { return i.State.String() == "FIN_WAIT2" })
	},
	"closed by the peer": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		peer.CloseWrite()
		// A frozen peer goes on sending a FIN that is not acknowledged.
		awaitInfo(t, peer, func(i health.Info) bool { return i.State.String() == "FIN_WAIT2" })
	},
}

// awaitInfo polls the kernel, which makes no event of such things.
func awaitInfo(t *testing.T, c syscall.Conn, is func(health.Info) bool) {
	t.Helper()
	socket, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		info, err := health.Inspect(socket)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("it never came to that: %+v, %v", info, err)
		}
		if is(info) {
			return
		}
	}
}

var verdictEvents = map[string]func(t *testing.T, c *Conn, peer *net.TCPConn){
	"gone":                  func(t *testing.T, _ *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer) },
	"gone, then written to": func(t *testing.T, c *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer); c.Write([]byte("x")) },
	"gone, then CloseWrite": func(t *testing.T, c *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer); c.CloseWrite() },
	"reset":                 func(_ *testing.T, _ *Conn, peer *net.TCPConn) { reset(peer) },
	"aborted":               func(t *testing.T, c *Conn, _ *net.TCPConn) { testnet.Abort(t, c) },
	"closed":                func(_ *testing.T, _ *Conn, peer *net.TCPConn) { peer.Close() },
	"closed by both":        func(_ *testing.T, c *Conn, peer *net.TCPConn) { peer.Close(); c.CloseWrite() },
	"closed by both, past the Conn": func(_ *testing.T, c *Conn, peer *net.TCPConn) {
		peer.Close()
		rawconn.Control(c.socket, func(fd uintptr) error { return unix.Shutdown(int(fd), unix.SHUT_WR) })
	},
	"closed, then written to": func(_ *testing.T, c *Conn, peer *net.TCPConn) {
		peer.Close()
		c.Write([]byte("late"))
	},
	"answered and closed": func(_ *testing.T, c *Conn, peer *net.TCPConn) { answer(peer); closeAndArrive(c, peer) },
	"answered and closed, then written to": func(_ *testing.T, c *Conn, peer *net.TCPConn) {
		answer(peer)
		closeAndArrive(c, peer)
		c.Write([]byte("late"))
	},
	"stalled for StallTimeout": func(*testing.T, *Conn, *net.TCPConn) {},
	"answered and reset":       func(_ *testing.T, _ *Conn, peer *net.TCPConn) { answer(peer); reset(peer) },
	// What the silence has left says nothing of the end.
	"silent, then reset": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		testnet.Freeze(t, peer)
		awaitInfo(t, c, func(i health.Info) bool { return i.Probes > 0 })
		reset(peer)
	},
	"silent, written to, then reset": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		testnet.Freeze(t, peer)
		c.Write([]byte("x"))
		awaitInfo(t, c, func(i health.Info) bool { return i.Retransmits > 0 })
		reset(peer)
	},
	"silent, then aborted": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		testnet.Freeze(t, peer)
		awaitInfo(t, c, func(i health.Info) bool { return i.Probes > 0 })
		testnet.Abort(t, c)
	},
}

// closeAndArrive waits until the peer's FIN is here: on a busy machine the loopback
// delivers what two processors send in another order, and what this side writes next may
// draw a RST that comes first.
func closeAndArrive(c *Conn, peer *net.TCPConn) {
	peer.Close()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if info, err := c.Info(); err != nil || slices.Contains(withFIN, info.State) {
			return
		}
	}
}

// withFIN: TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING.
var withFIN = []health.TCPState{6, health.TCPClose, health.TCPCloseWait, 9, 11}

func answer(peer *net.TCPConn) { peer.Write([]byte("a complete answer")) }

// A witness meets the end of a connection: it waits for it, or, if it writes, comes
// after the event. One that steals takes the kernel's error past the Conn, so that
// its own is not ours. One that asks does not read, and is told of a FIN.
type witness struct {
	name                 string
	writes, steals, asks bool
	meet                 func(t *testing.T, c *Conn) <-chan error
}

var witnesses = []witness{
	{name: "nobody", meet: func(*testing.T, *Conn) <-chan error { return nil }},
	{name: "Read", meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { _, err := io.Copy(io.Discard, readerOnly{c}); return err })
	}},
	{name: "WriteTo by splice", meet: func(t *testing.T, c *Conn) <-chan error {
		sink, _ := testnet.Pair(t)
		return async(func() error { _, err := c.WriteTo(sink); return err })
	}},
	{name: "WriteTo into a file", meet: func(t *testing.T, c *Conn) <-chan error {
		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return async(func() error { _, err := c.WriteTo(file); return err })
	}},
	{name: "two Reads", meet: func(_ *testing.T, c *Conn) <-chan error {
		first := async(func() error { _, err := io.Copy(io.Discard, readerOnly{c}); return err })
		return async(func() error {
			_, err := io.Copy(io.Discard, readerOnly{c})
			if other := <-first; err == nil {
				err = other
			}
			return err
		})
	}},
	{name: "Write", writes: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return repeat(func() error { _, err := c.Write([]byte("x")); return err }) })
	}},
	{name: "io.Copy by sendfile", writes: true, meet: func(t *testing.T, c *Conn) <-chan error {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return async(func() error { return repeat(func() error { return sendFile(c, path) }) })
	}},
	{name: "net.Buffers", writes: true, steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error {
			return repeat(func() error {
				_, err := (&net.Buffers{[]byte("x"), []byte("y")}).WriteTo(c)
				return err
			})
		})
	}},
	{name: "a raw write", writes: true, steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return repeat(func() error { return rawWrite(c) }) })
	}},
	{name: "a raw read", steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return rawRead(c) })
	}},
	{name: "the TCPConn underneath", steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { _, err := io.Copy(io.Discard, readerOnly{c.TCPConn}); return err })
	}},
	{name: "io.Copy by splice, into it", writes: true, meet: func(t *testing.T, c *Conn) <-chan error {
		far, source := testnet.Pair(t)
		go repeat(func() error { _, err := far.Write([]byte("x")); return err })
		return async(func() error { _, err := c.ReadFrom(source); return err })
	}},
	{name: "Ping", asks: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error {
			return repeat(func() error {
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				defer cancel()
				if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
				return nil
			})
		})
	}},
	{name: "health.Check", asks: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return repeat(func() error { return health.Check(c) }) })
	}},
	{name: "health.Check of what is underneath", steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return repeat(func() error { return health.Check(c.TCPConn) }) })
	}},
	{name: "a copy of the descriptor", steals: true, meet: func(t *testing.T, c *Conn) <-chan error {
		file, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return async(func() error { return repeat(func() error { return readCopy(file) }) })
	}},
	{name: "SO_ERROR", steals: true, meet: func(_ *testing.T, c *Conn) <-chan error {
		return async(func() error { return repeat(func() error { return takeError(c) }) })
	}},
}

func async(f func() error) <-chan error {
	met := make(chan error, 1)
	go func() { met <- f() }()
	return met
}

// repeat calls f until it fails, which a connection that is watched over makes sure
// of; one whose end is half-open has it for a while only.
func repeat(f func() error) error {
	for deadline := time.Now().Add(3 * verdictBudget); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func sendFile(c *Conn, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(c, f)
	return err
}

func rawWrite(c *Conn) (err error) {
	werr := c.socket.Write(func(fd uintptr) bool {
		_, err = unix.Write(int(fd), []byte("x"))
		return err != unix.EAGAIN
	})
	if werr != nil {
		return werr
	}
	return err
}

// rawRead reads to the end.
func rawRead(c *Conn) (err error) {
	var buf [64]byte
	for n := 1; n > 0 && err == nil; {
		if rerr := c.socket.Read(func(fd uintptr) bool {
			n, err = unix.Read(int(fd), buf[:])
			return err != unix.EAGAIN
		}); rerr != nil {
			return rerr
		}
	}
	return err
}

// readCopy reads what there is by another descriptor of the socket.
func readCopy(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	return rawconn.Control(raw, func(fd uintptr) error {
		n, err := unix.Read(int(fd), make([]byte, 64))
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == nil && n == 0:
			return io.EOF
		}
		return err
	})
}

func takeError(c *Conn) error {
	return rawconn.Control(c.socket, func(fd uintptr) error {
		number, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && number != 0 {
			err = unix.Errno(number)
		}
		return err
	})
}

// readerOnly keeps io.Copy from splicing.
type readerOnly struct{ io.Reader }
