package healthtest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/testnet"
)

// keepalive makes the kernel give c up after idle and count probes, in seconds.
func keepalive(t *testing.T, c *net.TCPConn, idle, interval, count int) {
	t.Helper()
	err := c.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     time.Duration(idle) * time.Second,
		Interval: time.Duration(interval) * time.Second,
		Count:    count,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("Read: %q, %v; want %q", got, err, want)
	}
	c.SetReadDeadline(time.Time{})
}

func mustWrite(t *testing.T, c net.Conn, data string) {
	t.Helper()
	if _, err := c.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

func TestKeepaliveGivesUpAFrozenPeer(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	keepalive(t, client, 1, 1, 1)
	testnet.Freeze(t, server)
	start := time.Now()
	client.SetReadDeadline(start.Add(10 * time.Second))
	_, err := client.Read(make([]byte, 1))
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Fatalf("Read: %v, want ETIMEDOUT", err)
	}
	if after := time.Since(start).Seconds(); after < 1.8 || after > 2.6 {
		t.Errorf("given up after %.2f s, want 1.8 to 2.6 s", after)
	}
}

func TestKeepaliveDoesNotGiveUpAThawedPeer(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	keepalive(t, client, 1, 1, 1)
	testnet.Freeze(t, server)()
	client.SetReadDeadline(time.Now().Add(4 * time.Second))
	_, err := client.Read(make([]byte, 1))
	if ne := net.Error(nil); !errors.As(err, &ne) || errors.Is(err, syscall.ETIMEDOUT) || !ne.Timeout() {
		t.Fatalf("Read: %v, want its deadline", err)
	}
}

func TestThawLosesNothing(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	mustWrite(t, client, "before ")
	mustRead(t, server, "before ")
	thaw := testnet.Freeze(t, server)
	mustWrite(t, client, "meanwhile ")
	server.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := server.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("a frozen peer read %d bytes, %v", n, err)
	}
	thaw()
	mustWrite(t, client, "after")
	mustRead(t, server, "meanwhile after")
	mustWrite(t, server, "reply")
	mustRead(t, client, "reply")
}

func TestFrozenPeerStillReadsWhatHadArrivedAndSends(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	mustWrite(t, client, "ab")
	mustRead(t, server, "a") // so "b" has arrived, too
	testnet.Freeze(t, server)
	mustRead(t, server, "b")
	mustWrite(t, server, "still here")
	mustRead(t, client, "still here")
	server.Close()
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read after the frozen peer closed: %v, want EOF", err)
	}
}

func TestFrozenPeersOwnKeepaliveResetsTheOtherSide(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	keepalive(t, client, 10, 1, 1)
	keepalive(t, server, 1, 1, 1)
	testnet.Freeze(t, server)
	client.SetReadDeadline(time.Now().Add(8 * time.Second))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read: %v, want ECONNRESET", err)
	}
}

func TestFrozenPeersProbesAreNoSignOfLife(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	keepalive(t, client, 2, 1, 1)
	keepalive(t, server, 1, 1, 100)
	testnet.Freeze(t, server)
	start := time.Now()
	client.SetReadDeadline(start.Add(10 * time.Second))
	_, err := client.Read(make([]byte, 1))
	if after := time.Since(start).Seconds(); !errors.Is(err, syscall.ETIMEDOUT) || after > 3.7 {
		t.Errorf("Read: %v after %.2f s, want ETIMEDOUT by 3.7 s", err, after)
	}
}

func TestThawIsIdempotentAndFineAfterClose(t *testing.T) {
	t.Parallel()
	_, server := testnet.Pair(t)
	testnet.NeedFreeze(t)
	thaw := mustFreeze(t, server)
	again := mustFreeze(t, server)
	for range 3 {
		mustThaw(t, thaw)
		mustThaw(t, again)
	}
	thaw = mustFreeze(t, server)
	server.Close()
	mustThaw(t, thaw)
	if _, err := healthtest.Freeze(server); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Freeze of a closed conn: %v, want net.ErrClosed", err)
	}
}

func TestFreezeAndThawAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	testnet.NeedFreeze(t)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 50 {
				thaw, err := healthtest.Freeze(server)
				if err != nil {
					t.Error(err)
					return
				}
				if err := thaw(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	mustWrite(t, client, "flows")
	mustRead(t, server, "flows")
}

func mustFreeze(t *testing.T, c net.Conn) (thaw func() error) {
	t.Helper()
	thaw, err := healthtest.Freeze(c)
	if err != nil {
		t.Fatal(err)
	}
	return thaw
}

func mustThaw(t *testing.T, thaw func() error) {
	t.Helper()
	if err := thaw(); err != nil {
		t.Errorf("thaw: %v", err)
	}
}

// wrapper hides everything but net.Conn, and shows what it wraps.
type wrapper struct{ net.Conn }

func (w wrapper) NetConn() net.Conn { return w.Conn }

// selfish is a wrapper that shows itself.
type selfish struct{ net.Conn }

func (s selfish) NetConn() net.Conn { return s }

// opaque is a wrapper that shows nothing.
type opaque struct{ hidden }

type hidden = net.Conn

func TestFreezeFindsTheSocketUnderWrappers(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for _, wrap := range []func(net.Conn) net.Conn{
		func(c net.Conn) net.Conn { return wrapper{wrapper{c}} },
		func(c net.Conn) net.Conn { return struct{ net.Conn }{c} },
		func(c net.Conn) net.Conn { return selfish{c} },
		func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{}) },
		func(c net.Conn) net.Conn { return tls.Server(wrapper{c}, &tls.Config{}) },
	} {
		client, server := testnet.Pair(t)
		thaw := mustFreeze(t, wrap(server))
		mustWrite(t, client, "x")
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := server.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("not frozen: read %d bytes, %v", n, err)
		}
		mustThaw(t, thaw)
		mustRead(t, server, "x")
	}
}

func TestFreezeRefusesWhatItCannotFreeze(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	for name, test := range map[string]struct {
		conn net.Conn
		want string
	}{
		"nil":         {nil, "no socket"},
		"net.Pipe":    {pipe, "no socket"},
		"opaque":      {opaque{client}, "no socket"},
		"unix socket": {unixConn(t), "not a TCP socket"},
		"UDP":         {udpConn(t), "not a TCP socket"},
		"MPTCP":       {multipathConn(t), "SetMultipathTCP(false)"},
	} {
		t.Run(name, func(t *testing.T) {
			thaw, err := healthtest.Freeze(test.conn)
			if err == nil || thaw != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Freeze: %v, want an error with %q", err, test.want)
			}
			if errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v matches ErrUnsupported, but this machine can freeze", err)
			}
		})
	}
}

func unixConn(t *testing.T) net.Conn {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return dialed(t, l)
}

func udpConn(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dialed(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// multipathListener is a listener as Go makes it by default, where the kernel
// has Multipath TCP.
func multipathListener(t *testing.T) *net.TCPListener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func multipathConn(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	d.SetMultipathTCP(true)
	c, err := d.Dial("tcp", multipathListener(t).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
	if multipath, err := c.(*net.TCPConn).MultipathTCP(); err != nil || !multipath {
		testnet.Missing(t, "Multipath TCP")
	}
	return c
}

func TestConnAcceptedByADefaultListenerCanBeFrozen(t *testing.T) {
	t.Parallel()
	l := multipathListener(t)
	client := dialed(t, l)
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	testnet.Freeze(t, server)()
	mustWrite(t, client, "x")
	mustRead(t, server, "x")
}

func TestFrozenListenerSwallowsDials(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	queued := dialed(t, l)
	thaw := testnet.FreezeListener(t, l)

	const patience = 500 * time.Millisecond
	_, err := net.DialTimeout("tcp", l.Addr().String(), patience)
	if ne := net.Error(nil); !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("dial to a frozen listener: %v, want its timeout", err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	mustWrite(t, queued, "set up before")
	mustRead(t, server, "set up before")

	late := make(chan error, 1)
	go func() {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 10*time.Second)
		if err == nil {
			c.Close()
		}
		late <- err
	}()
	select {
	case err := <-late:
		t.Fatalf("dial to a frozen listener returned: %v", err)
	case <-time.After(patience):
	}
	thaw()
	if err := <-late; err != nil {
		t.Errorf("dial while thawing: %v", err)
	}
}

func TestConnAcceptedAfterThawIsNotFrozen(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	testnet.FreezeListener(t, l)()
	client := dialed(t, l)
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	mustWrite(t, client, "x")
	mustRead(t, server, "x")
}

func TestFreezeListenerRefusesWhatItCannotFreeze(t *testing.T) {
	t.Parallel()
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	closed := testnet.Listen(t)
	closed.Close()
	for name, test := range map[string]struct {
		listener net.Listener
		want     string
	}{
		"nil":         {nil, "no socket"},
		"closed":      {closed, net.ErrClosed.Error()},
		"unix socket": {unix, "not a TCP socket"},
		"MPTCP":       {multipathListener(t), "SetMultipathTCP(false)"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "MPTCP" {
				testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
			}
			thaw, err := healthtest.FreezeListener(test.listener)
			if err == nil || thaw != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("FreezeListener: %v, want an error with %q", err, test.want)
			}
		})
	}
}
