//go:build !hale_sweep

package hale

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
	"example.com/hale/sockopt"
)

// stalled is a connection whose peer does not read, with a Write blocked on
// that, and a Read.
type stalled struct {
	client *Conn
	server *net.TCPConn
	wrote  chan error
	read   chan error
}

const stallBytes = 16 << 20 // more than all buffers hold

func stall(t *testing.T, k sockopt.KeepAlive) stalled {
	t.Helper()
	client, server := connect(t, &Dialer{KeepAlive: k, Strict: true})
	bound(t, client, 60*time.Second)
	s := stalled{client, server, make(chan error, 1), make(chan error, 1)}
	go func() {
		var err error
		b := make([]byte, 64<<10)
		for n := 0; n < stallBytes && err == nil; n += len(b) {
			_, err = client.Write(b)
		}
		s.wrote <- err
	}()
	go func() {
		_, err := client.Read(make([]byte, 1))
		s.read <- err
	}()
	return s
}

// survives waits for d and sees to it that the window is shut and nobody
// minds.
func (s stalled) survives(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-s.client.Done():
		t.Fatal(s.client.Err())
	case <-time.After(d):
	}
	info, err := s.client.Info()
	if err != nil || info.SendWindow != 0 || info.Unsent == 0 {
		t.Fatalf("not stalled: %+v, %v", info, err)
	}
	if err, state := s.client.Err(), s.client.State(); err != nil || state == health.Dead {
		t.Errorf("%v, %v", state, err)
	}
}

// dead waits for the end, which both calls have to be told.
func (s stalled) dead(t *testing.T, cause health.Cause) {
	t.Helper()
	waitDone(t, s.client)
	for _, err := range []error{<-s.wrote, <-s.read, s.client.Err()} {
		if dead := asDead(t, err); dead.Cause != cause {
			t.Errorf("%v", dead)
		}
	}
}

// tolerant is quick, with a user timeout that no live peer has to fear.
var tolerant = sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1, UserTimeout: 2 * time.Second}

func TestAStallOutlastsTheUserTimeoutAndEndsWhenThePeerReads(t *testing.T) {
	t.Parallel()
	s := stall(t, tolerant)
	s.survives(t, tolerant.UserTimeout*5/2)
	bound(t, s.server, 30*time.Second)
	if n, err := io.CopyN(io.Discard, s.server, stallBytes); err != nil {
		t.Fatalf("the peer got %d bytes: %v", n, err)
	}
	if err := <-s.wrote; err != nil {
		t.Error(err)
	}
	if _, err := s.server.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(<-s.read, s.client.Err()); err != nil {
		t.Error(err)
	}
}

// A window that opens by less than a segment at a time is shut for a sender, and
// its user timeout goes on.
func TestAPeerThatReadsSlowlyOutlastsTheUserTimeout(t *testing.T) {
	t.Parallel()
	nd := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return rawconn.Control(c, func(fd uintptr) error {
			return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1448) // as on Ethernet
		})
	}}
	client, server := connect(t, &Dialer{NetDialer: nd, KeepAlive: tolerant})
	go func() {
		for b := make([]byte, 64<<10); ; {
			if _, err := client.Write(b); err != nil {
				return
			}
		}
	}()
	if _, err := io.CopyN(io.Discard, server, 8<<20); err != nil { // fast: the buffers grow
		t.Fatal(err)
	}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for start := time.Now(); time.Since(start) < 5*time.Second; <-pace.C {
		if _, err := io.CopyN(io.Discard, server, 1<<10); err != nil {
			t.Fatal(err)
		}
		if err := client.Err(); err != nil {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
	}
}

func TestAPeerFrozenInAStallIsDeadBySilence(t *testing.T) {
	t.Parallel()
	testnet.NeedLinux(t, 6, 15, "TCP_RTO_MAX_MS, without which a shut window is asked ever more seldom")
	testnet.NeedFreeze(t)
	s := stall(t, tolerant)
	s.survives(t, tolerant.UserTimeout*5/2)
	testnet.Freeze(t, s.server)
	s.dead(t, health.SendTimeout)
	if dead := asDead(t, s.client.Err()); dead.Silence < tolerant.UserTimeout {
		t.Errorf("given up after a silence of %v", dead.Silence)
	}
}

func TestAStallEndsAfterTheStallTimeout(t *testing.T) {
	t.Parallel()
	k := tolerant
	k.StallTimeout = 2 * time.Second
	stall(t, k).dead(t, health.PeerStalled)
}

// accepted returns the server's side of a connection.
func accepted(t *testing.T) func(l net.Listener, err error) *Conn {
	return func(l net.Listener, err error) *Conn {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*Conn)
	}
}

func TestTheDefaultBoundsASilenceAndNoStall(t *testing.T) {
	t.Parallel()
	dialled, _ := connect(t, new(Dialer))
	for name, c := range map[string]*Conn{
		"Dialer":       dialled,
		"ListenConfig": accepted(t)(Listen("tcp", "127.0.0.1:0")),
		"NewListener":  accepted(t)(NewListener(testnet.Listen(t), nil)),
	} {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sockopt.Get(raw); err != nil || got != held(t, sockopt.KeepAlive{}) || got.StallTimeout != 0 || testnet.LinuxIs(6, 15) && got.Pace != 2500*time.Millisecond {
			t.Errorf("%s: the kernel holds %v, %v", name, got, err)
		}
		r := c.Report()
		if err := r.Err(); err != nil || r.Asked.Within != 30*time.Second || r.Asked.StallTimeout != -1 {
			t.Errorf("%s: asked for %v: %v", name, r.Asked, err)
		}
		l := limitsOf(r)
		l.Pace, l.Retries = 0, 0 // not every kernel has the one, nor the same of the other
		if l != (deathwatch.Limits{Idle: 13 * time.Second, Silence: 29750 * time.Millisecond, Ask: true}) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestASilenceMayLastForTheUserTimeoutOrTheWindow(t *testing.T) {
	t.Parallel()
	for userTimeout, want := range map[time.Duration]time.Duration{
		5 * time.Second: 5 * time.Second, time.Second: 2 * time.Second, 0: 2 * time.Second, -1: 0,
	} {
		k := tolerant
		k.UserTimeout, k.StallTimeout = userTimeout, time.Hour // which is no silence
		client, _ := connect(t, &Dialer{KeepAlive: k})
		if got := limitsOf(client.Report()); got.Silence != want || got.Idle != time.Second {
			t.Errorf("user timeout %v: %+v", userTimeout, got)
		}
	}
}

// The window shuts over data in flight: the kernel asks by retransmissions that
// are ever further apart, the peer answers each, and between them nothing is
// unanswered.
func TestAStallIsNoSilenceBetweenRetransmissions(t *testing.T) {
	t.Parallel()
	testnet.NeedLinux(t, 6, 6, "an answer to what finds no room in a receive buffer (tcp_try_rmem_schedule)")
	s := stall(t, tolerant)
	if err := s.server.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	s.survives(t, 8*time.Second)
	s.client.Close()
	<-s.wrote
	<-s.read
}
