package testnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

// serveEcho answers connections to l with what they send, until l closes.
func serveEcho(t *testing.T, l net.Listener) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// On a broken network the client's FIN may never arrive.
			stop := context.AfterFunc(t.Context(), func() { c.Close() })
			io.Copy(c, c)
			stop()
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

func dial(t *testing.T, h *testnet.Host, address string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := h.Dial(ctx, &net.Dialer{KeepAlive: -1}, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(c net.Conn, timeout time.Duration) error {
	c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

// connected is a chain of n hosts with an echo server on its last, and a
// connection to it from its first.
func connected(t *testing.T, n int) (hosts []*testnet.Host, l net.Listener, c net.Conn) {
	t.Helper()
	hosts = testnet.NewChain(t, n)
	last := hosts[n-1]
	l = last.Listen(last.Addr(testnet.Left) + ":0")
	serveEcho(t, l)
	c = dial(t, hosts[0], l.Addr().String())
	if err := echo(c, patience); err != nil {
		t.Fatal(err)
	}
	return hosts, l, c
}

// mustBeSilent checks that nothing comes back, and no error.
func mustBeSilent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := echo(c, 500*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("echo: %v, want silence", err)
	}
}

func TestChainOfHostsCarriesTCP(t *testing.T) {
	t.Parallel()
	for n := 2; n <= 4; n++ {
		connected(t, n)
	}
}

func TestHostsAreApart(t *testing.T) {
	t.Parallel()
	hosts, l, _ := connected(t, 2)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hosts[0].Listen("127.0.0.1:" + port) // taken on the other host only
	if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, patience); err == nil {
		c.Close()
		t.Error("a host's port answers outside the host")
	}
}

func TestPulledCableOnTheNearSideFailsDials(t *testing.T) {
	t.Parallel()
	hosts, l, c := connected(t, 2)
	hosts[0].Unplug(testnet.Right)
	mustBeSilent(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := hosts[0].Dial(ctx, &net.Dialer{}, l.Addr().String())
	if !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("dial: %v, want ENETUNREACH", err)
	}
	hosts[0].Plug(testnet.Right)
	if err := echo(c, patience); err != nil {
		t.Errorf("cable back: %v", err)
	}
}

func TestPulledCableOnTheFarSideMakesTheConnectionSilent(t *testing.T) {
	t.Parallel()
	hosts, _, c := connected(t, 3)
	hosts[2].Unplug(testnet.Left)
	mustBeSilent(t, c)
	hosts[2].Plug(testnet.Left)
	hosts[2].IP("route add 10.77.0.0/24 via " + hosts[1].Addr(testnet.Right))
	if err := echo(c, patience); err != nil {
		t.Errorf("cable back: %v", err)
	}
}

func TestDeletedRouteMakesTheConnectionSilent(t *testing.T) {
	t.Parallel()
	hosts, _, c := connected(t, 3)
	hosts[2].IP("route del 10.77.0.0/24")
	mustBeSilent(t, c)
}

func TestBlackHoleSwallowsWithoutAWord(t *testing.T) {
	t.Parallel()
	hosts, l, c := connected(t, 2)
	hosts[0].BlackHole(testnet.Right, hosts[1])
	// Longer than the 3 s after which a failed ARP would say EHOSTUNREACH.
	if err := echo(c, 5*time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("echo: %v, want silence", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := hosts[0].Dial(ctx, &net.Dialer{}, l.Addr().String())
	if ne := net.Error(nil); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("dial: %v, want its timeout", err)
	}
}

// A failed ARP (after 3 s) is a soft error to an established connection: it
// becomes the verdict only when something else, here the user timeout, ends it.
func TestRemovedAddressIsAnARPFailure(t *testing.T) {
	t.Parallel()
	hosts, l, c := connected(t, 2)
	setUserTimeout(t, c, 4*time.Second)
	hosts[1].IP("addr del " + hosts[1].Addr(testnet.Left) + "/24 dev left")
	hosts[0].IP("neigh flush dev right")
	if err := echo(c, patience); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("echo: %v, want EHOSTUNREACH", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := hosts[0].Dial(ctx, &net.Dialer{}, l.Addr().String())
	if !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("dial: %v, want EHOSTUNREACH", err)
	}
}

func setUserTimeout(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	raw, err := rawconn.Of(c)
	if err == nil {
		err = rawconn.Control(raw, func(fd uintptr) error {
			return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Not parallel: namespace numbers are used again.
func TestChainLeavesNoNamespace(t *testing.T) {
	var spaces []string
	t.Run("chain", func(t *testing.T) {
		hosts, _, _ := connected(t, 3)
		for _, h := range hosts {
			err := h.Do(func() error {
				link, err := os.Readlink("/proc/thread-self/ns/net")
				spaces = append(spaces, link)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(spaces) == 0 {
		t.Skip("no chain was made")
	}
	// The kernel ends a thread a little after its goroutine.
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		held := holders(t, spaces)
		if len(held) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still in a namespace: %v", held)
		}
	}
}

// holders lists what keeps one of the namespaces alive: a thread inside, of
// any process, or a descriptor of this one.
func holders(t *testing.T, spaces []string) (held []string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(threads, files...) {
		link, err := os.Readlink(path)
		for _, space := range spaces {
			if err == nil && link == space {
				held = append(held, path+" "+space)
			}
		}
	}
	return held
}
