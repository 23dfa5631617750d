//go:build linux && !hale_sweep

package hale

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
	"example.com/hale/sockopt"
)

func adopt(t *testing.T, c net.Conn) *Conn {
	t.Helper()
	return adoptBy(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second)}, c)
}

func adoptBy(t *testing.T, d *Dialer, c net.Conn) *Conn {
	t.Helper()
	adopted, err := d.Adopt(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { adopted.Close() })
	return adopted
}

// fileConn is another connection of the same socket.
func fileConn(t *testing.T, of interface{ File() (*os.File, error) }) net.Conn {
	t.Helper()
	file, err := of.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAnAdoptedConnectionIsHeldToItsPromise(t *testing.T) {
	t.Parallel()
	plain, peer := testnet.Pair(t)
	c := adopt(t, fileConn(t, plain)) // the other way that connections come
	if got := c.Report().Got; got.Idle > 2*time.Second || got.Disabled || c.Unwatched() != nil {
		t.Errorf("%v, %v", got, c.Unwatched())
	}
	if c.Meter().Written() == 0 {
		t.Error("nothing was ever sent, it says")
	}
	testnet.Freeze(t, peer)
	start := time.Now()
	waitDone(t, c)
	if dead := asDead(t, c.Err()); dead.Cause != health.KeepAliveTimeout || time.Since(start) > 3*time.Second {
		t.Errorf("%v after %v", dead, time.Since(start))
	}
	// The copy of the descriptor keeps the socket, which is not watched any more.
	c.Close()
	other, otherPeer := connect(t, new(Dialer))
	reset(otherPeer)
	waitDone(t, other)
}

// What happened before is known at once, and what happens past the Conn too.
func TestAnAdoptedConnectionKnowsItsPast(t *testing.T) {
	t.Parallel()
	shut := func(t *testing.T, c *net.TCPConn) {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := rawconn.Control(raw, func(fd uintptr) error { return unix.Shutdown(int(fd), unix.SHUT_WR) }); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		before, after func(t *testing.T, c, peer *net.TCPConn)
		want          health.Cause
	}{
		"nothing":        {},
		"closed":         {before: func(_ *testing.T, _, peer *net.TCPConn) { peer.Close() }, want: health.PeerClosed},
		"reset":          {before: func(_ *testing.T, _, peer *net.TCPConn) { reset(peer) }, want: health.Reset},
		"closed by both": {before: func(t *testing.T, c, peer *net.TCPConn) { c.CloseWrite(); peer.Close() }, want: health.PeerClosed},
		"closed by both, one of them later": {
			before: func(_ *testing.T, c, _ *net.TCPConn) { c.CloseWrite() },
			after:  func(_ *testing.T, _, peer *net.TCPConn) { peer.Close() },
			want:   health.PeerClosed,
		},
		"closed by both, past the Conn": {
			after: func(t *testing.T, c, peer *net.TCPConn) { shut(t, c); peer.Close() },
			want:  health.PeerClosed,
		},
		"closed, and something unread": {
			before: func(_ *testing.T, _, peer *net.TCPConn) { answer(peer); peer.Close() },
			want:   health.PeerClosed,
		},
		"reset, and something unread": {
			before: func(_ *testing.T, _, peer *net.TCPConn) { answer(peer); reset(peer) },
			want:   health.Reset,
		},
		"closed by both, and something unread": {
			before: func(_ *testing.T, c, peer *net.TCPConn) { c.CloseWrite(); answer(peer); peer.Close() },
			want:   health.PeerClosed,
		},
		"reset, and the error taken": {
			before: func(t *testing.T, c, peer *net.TCPConn) { reset(peer); c.Read(make([]byte, 1)) },
			want:   health.Reset,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, peer := testnet.Pair(t)
			if test.before != nil {
				test.before(t, plain, peer)
				awaitInfo(t, plain, func(i health.Info) bool { // until it has arrived
					switch i.State.String() {
					case "CLOSE", "CLOSE_WAIT", "FIN_WAIT2":
						return true
					}
					return false
				})
			}
			c := adopt(t, plain)
			if test.after != nil {
				test.after(t, plain, peer)
				eventually(t, func() bool { return c.Err() != nil })
			}
			if err := c.Err(); health.Classify(err) != test.want || test.want == health.Reset && c.State() != health.Dead {
				t.Errorf("%v, want %v", err, test.want)
			}
			if test.want == health.PeerClosed {
				if _, err := io.Copy(io.Discard, readerOnly{c}); err != nil || c.State() == health.Dead {
					t.Errorf("%v, %v", err, c.State())
				}
			}
		})
	}
}

func TestAConnectionIsAdoptedOnce(t *testing.T) {
	t.Parallel()
	plain, _ := testnet.Pair(t)
	deadline := time.Now().Add(time.Hour)
	plain.SetReadDeadline(time.Now().Add(-time.Second))
	c := adopt(t, plain)
	if again := adopt(t, plain); again != c || adopt(t, c) != c {
		t.Error("another Conn")
	}
	for _, made := range []net.Conn{tls.Client(plain, &tls.Config{}), struct{ *net.TCPConn }{plain}} {
		if found, ok := From(made); !ok || found != c {
			t.Errorf("not found under a %T that was made before", made)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("its deadline is gone:", err)
	}
	c.SetDeadline(deadline)
}

// A Conn that nobody kept leaves the socket to whoever has it.
func TestAConnectionWhoseConnWasDroppedIsAdoptedAnew(t *testing.T) {
	t.Parallel()
	plain, peer := testnet.Pair(t)
	dropped, first := make(chan struct{}), &Dialer{}
	first.Observer = &Observer{Dropped: func(DroppedInfo) { close(dropped) }}
	if _, err := first.Adopt(plain); err != nil {
		t.Fatal(err)
	}
	var c *Conn
	eventually(t, func() bool {
		runtime.GC()
		adopted, err := new(Dialer).Adopt(plain)
		if err != nil {
			t.Fatal(err)
		}
		if adopted.observer != first.Observer {
			c = adopted
		}
		return c != nil
	})
	defer c.Close()
	eventually(t, func() bool {
		runtime.GC()
		select {
		case <-dropped:
			return true
		default:
			return false
		}
	})
	if _, err := deathwatch.Supervise(otherWatch{c}); !errors.Is(err, deathwatch.ErrWatched) {
		t.Error("there is another watch:", err)
	}
	reset(peer)
	waitDone(t, c)
	if err := c.Err(); health.Classify(err) != health.Reset {
		t.Error(err)
	}
}

// otherWatch is a Ref that is not the Conn's own.
type otherWatch struct{ conn *Conn }

func (w otherWatch) Subject() deathwatch.Subject { return (*subject)(w.conn) }
func (w otherWatch) Dropped()                    {}

// One socket has one watch, and so one Conn.
func TestWhatLiesUnderAConnIsNotAdopted(t *testing.T) {
	t.Parallel()
	own, _ := connect(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second)})
	if c, err := new(Dialer).Adopt(own.NetConn()); c != nil || !errors.Is(err, deathwatch.ErrWatched) {
		t.Errorf("%v, %v", c, err)
	}
	if got, err := sockopt.Get(own.socket); err != nil || got.UserTimeout > 0 {
		t.Errorf("a peer that does not read is ended: %v, %v", got, err)
	}
	plain, _ := testnet.Pair(t)
	stop, err := deathwatch.Watch(plain, func(*health.DeadError) {})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := new(Dialer).Adopt(plain); c != nil || !errors.Is(err, deathwatch.ErrWatched) {
		t.Errorf("%v, %v", c, err)
	}
	stop()
	adopt(t, plain)
}

func TestWhatCannotBeAdoptedIsRefused(t *testing.T) {
	t.Parallel()
	plain, _ := testnet.Pair(t)
	closed, _ := testnet.Pair(t)
	closed.Close()
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	d := &Dialer{}
	for name, test := range map[string]struct {
		d    *Dialer
		conn net.Conn
		want error
	}{
		"TLS":          {d, tls.Client(plain, &tls.Config{}), errors.ErrUnsupported},
		"a pipe":       {d, pipe, errors.ErrUnsupported},
		"nothing":      {d, nil, errors.ErrUnsupported},
		"no TCP":       {d, (*net.TCPConn)(nil), errors.ErrUnsupported},
		"no Conn":      {d, (*Conn)(nil), errors.ErrUnsupported},
		"a listener":   {d, fileConn(t, testnet.Listen(t)), errors.ErrUnsupported},
		"closed":       {d, closed, net.ErrClosed},
		"out of range": {&Dialer{KeepAlive: sockopt.KeepAlive{Within: time.Millisecond}}, plain, nil},
	} {
		c, err := test.d.Adopt(test.conn)
		if c != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "adopt" {
			t.Errorf("%s: %v", name, err)
		}
	}
	adopt(t, plain) // it was good
}

// Not parallel: it counts what the package keeps.
func TestAnAdoptedConnectionThatIsDroppedIsFreed(t *testing.T) {
	kept := func() int {
		adopted.mu.Lock()
		defer adopted.mu.Unlock()
		return len(adopted.conns)
	}
	before := kept()
	l := testnet.Listen(t)
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(Dialer).Adopt(c); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { runtime.GC(); return kept() <= before })
}

func TestAListenerOverOneThatWrapsIsRefused(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewListener(tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{{}}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if accepted, err := l.Accept(); accepted != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, %v", accepted, err)
	}
	bound(t, c, 10*time.Second)
	if _, err := c.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Error("it was left open:", err)
	}
}
