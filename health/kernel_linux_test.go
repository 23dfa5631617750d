package health

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

// The tests of this file hold the kernel to what the package is built on. They
// use plain connections: what is true of those is why hale.Conn exists.

// timers sets the options on c; zero leaves one alone.
type timers struct{ idle, interval, count, userTimeout int }

func (k timers) set(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rawconn.Control(raw, func(fd uintptr) error {
		for _, o := range []struct{ opt, v int }{
			{unix.TCP_KEEPIDLE, k.idle}, {unix.TCP_KEEPINTVL, k.interval},
			{unix.TCP_KEEPCNT, k.count}, {unix.TCP_USER_TIMEOUT, k.userTimeout},
		} {
			if o.v == 0 {
				continue
			}
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, o.opt, o.v); err != nil {
				return err
			}
		}
		if k.idle == 0 {
			return nil
		}
		return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// short gives an idle connection up after two seconds.
var short = timers{idle: 1, interval: 1, count: 1}

func frozenPair(t *testing.T, k timers) (client, server *net.TCPConn) {
	t.Helper()
	client, server = testnet.Pair(t)
	k.set(t, client)
	testnet.Freeze(t, server)
	return client, server
}

// bound gives up on calls that block for longer than any case here may take.
func bound(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// died fails the test unless it lasted from min to max since start, with the
// timer's lateness of an eighth on top.
func died(t *testing.T, start time.Time, min, max time.Duration) {
	t.Helper()
	got := time.Since(start)
	if got < min-100*time.Millisecond || got > max+max/8+200*time.Millisecond {
		t.Errorf("died after %v, want %v to %v", got, min, max)
	}
}

func fill(t *testing.T, c *net.TCPConn) {
	t.Helper()
	b, written := make([]byte, 1<<20), 0
	for written == 0 { // a deadline may also pass because this machine stood still
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		var err error
		for n := 0; err == nil; written += n {
			n, err = c.Write(b)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	c.SetWriteDeadline(time.Time{})
}

func TestTheKernelTellsADeathOnce(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, short)
	bound(t, client, 10*time.Second)
	start := time.Now()
	_, err := client.Read(make([]byte, 1))
	died(t, start, 2*time.Second, 2*time.Second)
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Fatalf("first read: %v", err)
	}
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the kernel's timeout no longer looks like a deadline: %#v", err)
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("second read: %v, want io.EOF", err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write after: %v, want EPIPE", err)
	}
	k := short
	k.userTimeout = 4000
	k.set(t, client) // a dead socket takes options as if nothing had happened
}

func TestDiagnoseExplainsADeathToWhoeverComesLate(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, short)
	bound(t, client, 10*time.Second)
	_, first := client.Read(make([]byte, 1))
	_, second := client.Read(make([]byte, 1))
	_, third := client.Write([]byte("x"))
	for _, err := range []error{first, second, third} {
		dead := Diagnose(client, err)
		if dead == nil {
			t.Fatalf("Diagnose(%v) = nil", err)
		}
		if dead.Cause != KeepAliveTimeout || dead.Silence < 1900*time.Millisecond || dead.Info.Probes != 1 {
			t.Errorf("%v: cause %v, silence %v, info %+v", err, dead.Cause, dead.Silence, dead.Info)
		}
		var op *net.OpError
		if !errors.Is(dead, syscall.ETIMEDOUT) || !errors.As(dead, &op) {
			t.Errorf("%v: %v has lost the kernel's error", err, dead)
		}
	}
}

func TestKeepaliveIsSilentWhileDataIsUnacknowledged(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, short)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	// 2 s would be the verdict of an idle connection; this one outlives it
	// more than twice over, and would for a quarter of an hour.
	bound(t, client, 5*time.Second)
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read: %v", err)
	}
	info := inspectT(t, client)
	if info.State != TCPEstablished || info.Unacked != 1 || info.Retransmits < 2 {
		t.Errorf("after 5 s: %+v", info)
	}
}

func TestTheUserTimeoutTakesTheCountsPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		timers timers
		want   time.Duration
	}{
		{"equal to the window", timers{1, 1, 3, 4000}, 4 * time.Second},
		{"absent", timers{1, 1, 3, 0}, 4 * time.Second},
		{"cuts nine probes short", timers{1, 1, 9, 2500}, 3 * time.Second},
		{"outlasts two probes", timers{1, 1, 2, 5000}, 5 * time.Second},
		{"is looked at from the second tick on", timers{1, 1, 3, 500}, 2 * time.Second},
		{"a little above the window costs an interval", timers{1, 1, 2, 3500}, 4 * time.Second},
		{"a little above the tick before costs a probe", timers{1, 1, 3, 3001}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := time.Now()
			client, _ := frozenPair(t, test.timers)
			bound(t, client, 20*time.Second)
			start := time.Now() // the last that was heard came between these two
			_, err := client.Read(make([]byte, 1))
			died(t, start, test.want-start.Sub(before), test.want)
			if dead := Diagnose(client, err); dead == nil || dead.Cause != KeepAliveTimeout {
				t.Errorf("%v: %v", err, dead)
			}
		})
	}
}

func TestTheUserTimeoutBoundsUnacknowledgedData(t *testing.T) {
	t.Parallel()
	for _, k := range []timers{{userTimeout: 1000}, {1, 1, 3, 1000}} {
		client, _ := frozenPair(t, k)
		bound(t, client, 10*time.Second)
		start := time.Now()
		if _, err := client.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal("a write into a black hole:", err) // it succeeds at once
		}
		_, err := client.Read(make([]byte, 1))
		died(t, start, time.Second, 1500*time.Millisecond)
		dead := Diagnose(client, err)
		if dead == nil || dead.Cause != SendTimeout || dead.Info.UserTimeout != time.Second {
			t.Errorf("%v: %v", err, dead)
		}
	}
}

func TestAWriteDuringTheProbingStartsTheClockAnew(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, timers{1, 1, 2, 3000})
	bound(t, client, 15*time.Second)
	start := time.Now()
	// The verdict is due at 3 s: wait until the probing is on.
	waitFor(t, client, func(i Info) bool { return i.Probes > 0 })
	write := time.Since(start)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	died(t, start, write+3*time.Second, write+3500*time.Millisecond)
	if dead := Diagnose(client, err); dead == nil || dead.Cause != SendTimeout {
		t.Errorf("%v: %v", err, dead)
	}
}

func TestAUserTimeoutWithoutKeepaliveBoundsNothingOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, timers{userTimeout: 500})
	bound(t, client, 3*time.Second)
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}

func TestTheUserTimeoutKillsAPeerThatLivesButDoesNotRead(t *testing.T) {
	t.Parallel()
	testnet.NeedLinux(t, 6, 6, "an answer to what finds no room in a receive buffer (tcp_try_rmem_schedule)")
	client, server := testnet.Pair(t)
	server.SetReadBuffer(4096)
	fill(t, client)
	timers{userTimeout: 2000}.set(t, client)
	bound(t, client, 15*time.Second)
	_, err := client.Read(make([]byte, 1))
	dead := Diagnose(client, err)
	if dead == nil || dead.Cause != PeerStalled || dead.Info.SendWindow != 0 || dead.Silence > 2*time.Second {
		t.Errorf("%v: %v, %+v", err, dead, dead.Info)
	}
}

func TestAZeroWindowFromAFrozenPeerIsNoStall(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	server.SetReadBuffer(4096)
	fill(t, client)
	testnet.Freeze(t, server)
	timers{userTimeout: 2000}.set(t, client)
	bound(t, client, 15*time.Second)
	_, err := client.Read(make([]byte, 1))
	if dead := Diagnose(client, err); dead == nil || dead.Cause != SendTimeout {
		t.Errorf("%v: %v, %+v", err, dead, dead.Info)
	}
}

func TestOfAReaderAndAWriterOneGetsTheError(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	fill(t, client)
	timers{userTimeout: 1000}.set(t, client)
	bound(t, client, 10*time.Second)
	wrote := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, 1<<20))
		wrote <- err
	}()
	_, rerr := client.Read(make([]byte, 1))
	werr := <-wrote
	// The writer as a rule, who is woken first.
	byWriter := errors.Is(werr, syscall.ETIMEDOUT) && rerr == io.EOF
	byReader := errors.Is(rerr, syscall.ETIMEDOUT) && errors.Is(werr, syscall.EPIPE)
	if !byWriter && !byReader {
		t.Errorf("read: %v, write: %v; want ETIMEDOUT for one, and a bare EOF or EPIPE for the other", rerr, werr)
	}
	if info := inspectT(t, client); info.State != TCPClose {
		t.Errorf("state %v after the death, want CLOSE", info.State)
	}
	for _, err := range []error{rerr, werr} {
		if dead := Diagnose(client, err); dead == nil || dead.Cause != PeerStalled {
			t.Errorf("Diagnose(%v) = %v, %+v", err, dead, dead.Info)
		}
	}
}

// The silence goes on after the death.
func TestAStalledPeerIsToldFromASilentOneLongAfter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		frozen      bool
		userTimeout int
		want        Cause
	}{"it answers": {false, 1000, PeerStalled}, "it is silent": {true, 3000, SendTimeout}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			fill(t, client)
			if test.frozen {
				testnet.Freeze(t, server)
			}
			timers{userTimeout: test.userTimeout}.set(t, client)
			waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
			over := inspectT(t, client).Silence()
			waitFor(t, client, func(i Info) bool { return i.Silence() > over+600*time.Millisecond })
			for _, err := range []error{io.EOF, syscall.EPIPE} { // the first takes the error, the second finds none
				if dead := Diagnose(client, err); dead == nil || dead.Cause != test.want || !errors.Is(dead, syscall.ETIMEDOUT) {
					t.Errorf("%v is diagnosed as %v, %+v", err, dead, dead.Info)
				}
			}
		})
	}
}

func TestWhoClosedIsKnownOfAConnectionThatIsOver(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	server.Write([]byte("unread"))
	server.CloseWrite()
	client.Write([]byte("also"))
	client.CloseWrite()
	waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
	// Nothing is left that says so, but that our FIN was acknowledged.
	if dead := Diagnose(client, syscall.EPIPE); dead != nil {
		t.Errorf("closed by both: %v", dead)
	}

	client, server = testnet.Pair(t)
	client.Write([]byte("also"))
	waitFor(t, client, func(i Info) bool { return i.Unacked == 0 })
	server.SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if dead := Diagnose(client, io.EOF); dead == nil || dead.Cause != Reset || !errors.Is(dead, syscall.ECONNRESET) {
		t.Errorf("reset, and the error is gone: %v", dead)
	}
}

func TestAnOrderlyCloseIsNoDeath(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	server.Close()
	bound(t, client, 5*time.Second)
	_, err := client.Read(make([]byte, 1))
	if err != io.EOF {
		t.Fatal(err)
	}
	if info := inspectT(t, client); info.State != TCPCloseWait {
		t.Errorf("state %v, want CLOSE_WAIT", info.State)
	}
	if dead := Diagnose(client, err); dead != nil {
		t.Errorf("diagnosed as %v", dead)
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Errorf("first write after the FIN: %v", err)
	}
	waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
	_, err = client.Write([]byte("x"))
	if !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("second write after the FIN: %v", err)
	}
	if dead := Diagnose(client, err); dead == nil || dead.Cause != Reset { // which the late write drew
		t.Errorf("diagnosed as %v", dead)
	}
}

func TestBothSidesClosingIsNoDeath(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	client.CloseWrite()
	server.Close()
	bound(t, client, 5*time.Second)
	_, err := client.Read(make([]byte, 1))
	if dead := Diagnose(client, err); err != io.EOF || dead != nil {
		t.Errorf("read: %v, diagnosed as %v", err, dead)
	}
}

func TestAResetIsOne(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	server.SetLinger(0)
	server.Close()
	bound(t, client, 5*time.Second)
	_, err := client.Read(make([]byte, 1))
	dead := Diagnose(client, err)
	if dead == nil || dead.Cause != Reset || dead.Op != "read" {
		t.Errorf("%v: %+v", err, dead)
	}
}

func TestTheProbesAreSeenBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, timers{1, 1, 3, 0})
	bound(t, client, 10*time.Second)
	waitFor(t, client, func(i Info) bool { return i.Probes == 1 })
	if err := peekOf(client); err != nil {
		t.Errorf("a look during the probing: %v", err) // it has nothing to tell yet
	}
	waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
	info := inspectT(t, client) // the post-mortem
	if info.Probes != 3 || info.SinceAck < 3900*time.Millisecond {
		t.Errorf("post mortem: %+v", info)
	}
	err := Check(client)
	var dead *DeadError
	if !errors.As(err, &dead) || dead.Cause != KeepAliveTimeout || dead.Op != "check" {
		t.Errorf("Check: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Check did not consume the error: %v", err)
	}
}

func TestCheckConsumesNoData(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	bound(t, client, 5*time.Second)
	if err := Check(client); err != nil {
		t.Fatal("an idle connection:", err)
	}
	server.Write([]byte("hello"))
	server.Close()
	waitFor(t, client, func(i Info) bool { return i.State == TCPCloseWait })
	if err := Check(client); err != nil {
		t.Error("with data to read:", err)
	}
	if data, err := io.ReadAll(client); string(data) != "hello" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	var dead *DeadError
	if err := Check(client); !errors.As(err, &dead) || dead.Cause != PeerClosed {
		t.Errorf("after the peer's close: %v", err)
	}
	client.Close()
	if err := Check(client); !errors.As(err, &dead) || dead.Cause != LocalClosed || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after our close: %v", err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := Check(a); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a pipe: %v", err)
	}
}

func TestInspectCountsBytes(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	client.Write(make([]byte, 1000))
	server.Write(make([]byte, 10))
	io.ReadFull(client, make([]byte, 10))
	waitFor(t, client, func(i Info) bool { return i.Unacked == 0 })
	info := inspectT(t, client)
	if info.BytesSent != 1000 || info.BytesReceived != 10 || info.BytesAcked < 1000 || info.Unsent != 0 || info.RTT <= 0 {
		t.Errorf("%+v", info)
	}
	client.Close()
	if _, err := inspectConn(client); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Inspect after Close: %v", err)
	}
}

func peekOf(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return rawconn.Control(raw, peek)
}

func inspectT(t *testing.T, c *net.TCPConn) Info {
	t.Helper()
	info, err := inspectConn(c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// waitFor polls the kernel until cond holds. There is no event to wait for:
// a probe that goes unanswered makes none.
func waitFor(t *testing.T, c *net.TCPConn, cond func(Info) bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !cond(inspectT(t, c)) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to that: %+v", inspectT(t, c))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// The silence goes on after the death: what counts is what had been asked by then.
func TestASilenceThatAResetEndedIsNoneToWhoComesLate(t *testing.T) {
	t.Parallel()
	const userTimeout = 4 * time.Second
	for name, test := range map[string]struct {
		write bool
		is    func(Info) bool
	}{
		"idle":      {false, func(i Info) bool { return i.Probes == 1 }},
		"in flight": {true, func(i Info) bool { return i.Retransmits == 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			timers{1, 1, 5, int(userTimeout.Milliseconds())}.set(t, client)
			testnet.Freeze(t, server)
			if test.write {
				client.Write([]byte("x"))
			}
			waitFor(t, client, test.is)
			server.SetLinger(0)
			server.Close()
			waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
			first := Diagnose(client, io.EOF) // it takes the error
			waitFor(t, client, func(i Info) bool { return i.Silence() > userTimeout+300*time.Millisecond })
			late := Diagnose(client, io.EOF)
			if first == nil || late == nil || first.Cause != Reset || late.Cause != Reset {
				t.Errorf("at once %v, late %v, %+v", first, late, inspectT(t, client))
			}
		})
	}
}
