//go:build linux && !hale_sweep

package deathwatch

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestAWatchTellsOfAFrozenPeerWithNobodyReading(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	short.set(t, client)
	w := watchOver(t, client)
	testnet.Freeze(t, server)
	dead := w.next(t)
	if dead.Cause != health.KeepAliveTimeout || dead.Op != "watch" || dead.Silence < 1900*time.Millisecond ||
		dead.Info.Probes != 1 || !errors.Is(dead, syscall.ETIMEDOUT) || dead.Timeout() {
		t.Errorf("%+v", dead)
	}
	rounds(t)
	w.silent(t)
}

func TestADeathAfterAFinIsTold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kill func(t *testing.T, server *net.TCPConn)
		want health.Cause
	}{
		{"silence", func(t *testing.T, server *net.TCPConn) { testnet.Freeze(t, server) }, health.KeepAliveTimeout},
		// What the kernel makes of RST after FIN is EPIPE (tcp_reset).
		{"reset", func(_ *testing.T, server *net.TCPConn) { reset(server) }, health.Reset},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			short.set(t, client)
			w := watchOver(t, client)
			server.Write([]byte("last words"))
			server.CloseWrite()
			if dead := w.next(t); dead.Cause != health.PeerClosed || !errors.Is(dead, io.EOF) {
				t.Errorf("first %v", dead)
			}
			buf := make([]byte, 100)
			bound(t, client, 10*time.Second)
			if n, err := client.Read(buf); string(buf[:n]) != "last words" || err != nil {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			test.kill(t, server)
			if dead := w.next(t); dead.Cause != test.want || errors.Is(dead, io.EOF) {
				t.Errorf("then %v", dead)
			}
			rounds(t)
			w.silent(t)
		})
	}
}

func TestTheEndOfAConnectionThatBothSidesClosedIsNotTold(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	server.Close()
	if dead := w.next(t); dead.Cause != health.PeerClosed {
		t.Errorf("%v", dead)
	}
	client.CloseWrite()
	// The first watch ends by itself; then there can be another one.
	deadline := time.Now().Add(10 * time.Second)
	stop, err := Watch(client, func(*health.DeadError) {})
	for errors.Is(err, ErrWatched) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
		stop, err = Watch(client, func(*health.DeadError) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	stop()
	w.silent(t)
}

func TestADeathThatAReaderMetIsToldToo(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	short.set(t, client)
	bound(t, client, 10*time.Second)
	read := make(chan error, 1)
	go func() { // of the two it is this one that the kernel may tell, or the watch
		_, err := client.Read(make([]byte, 1))
		read <- err
	}()
	w := watchOver(t, client)
	testnet.Freeze(t, server)
	if dead := w.next(t); dead.Cause != health.KeepAliveTimeout || !errors.Is(dead, syscall.ETIMEDOUT) {
		t.Errorf("the watch: %v", dead)
	}
	if err := <-read; !health.IsDead(err) {
		t.Errorf("the reader: %v", err)
	}
}

func TestADeathWhoseErrorSomebodyElseTookIsExplained(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, short)
	waitFor(t, client, func(i health.Info) bool { return i.State == health.TCPClose })
	client.Read(make([]byte, 1))
	w := watchOver(t, client)
	if dead := w.next(t); dead.Cause != health.KeepAliveTimeout || !errors.Is(dead, syscall.ETIMEDOUT) {
		t.Errorf("%v", dead)
	}
}

// Not parallel: it counts on being given the descriptor's number again.
func TestAReusedDescriptorIsNotTakenForItsPredecessor(t *testing.T) {
	l := testnet.Listen(t)
	dial := func() (client, server *net.TCPConn) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if server, err = l.AcceptTCP(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(); server.Close() })
		return c.(*net.TCPConn), server
	}
	reused := 0
	for range 100 {
		oldClient, oldServer := dial()
		number := descriptor(t, oldClient)
		old := watchOver(t, oldClient)
		reset(oldServer)  // an event for the old one is under way
		oldClient.Close() // and its watch was not ended
		client, server := dial()
		if descriptor(t, client) == number {
			reused++
		}
		w := watchOver(t, client)
		server.CloseWrite()
		if told := w.next(t); told.Cause != health.PeerClosed {
			t.Fatalf("the new one is told of the old one's end: %v", told)
		}
		server.Close()
		client.Close()
		w.stop()
		w.silent(t)
		old.stop()
		select {
		case told := <-old.told:
			if told.Cause != health.Reset {
				t.Fatalf("the old one is told of the new one's end: %v", told)
			}
		default: // it was closed in time
		}
	}
	if reused < 50 {
		t.Errorf("the number was used again in only %d rounds", reused)
	}
}

func descriptor(t *testing.T, c *net.TCPConn) (number uintptr) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { number = fd })
	}
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// Not parallel: nobody else may be watching.
func TestTheWatcherGoesWithItsLastUser(t *testing.T) {
	gone := func(when string) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for watchers() != 0 || epolls(t) != 1 { // Go's own
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d goroutines, %d epoll instances", when, watchers(), epolls(t))
			}
			time.Sleep(time.Millisecond)
		}
	}
	gone("before")
	for range 20 {
		a, aPeer := testnet.Pair(t)
		b, _ := testnet.Pair(t)
		wa, wb := watchOver(t, a), watchOver(t, b)
		if watchers() != 1 || epolls(t) != 2 {
			t.Fatalf("two connections: %d goroutines, %d epoll instances", watchers(), epolls(t))
		}
		wb.stop()
		reset(aPeer) // a death ends its watch as well
		wa.next(t)
		gone("after the last death")
		wb.stop()
	}
	c, _ := testnet.Pair(t)
	c.Close()
	if _, err := Watch(c, nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	gone("after a watch that failed")
}

// watchers counts the goroutines that serve the watch.
func watchers() int {
	buf := make([]byte, 1<<20)
	return bytes.Count(buf[:runtime.Stack(buf, true)], []byte("created by example.com/hale/health/deathwatch.startWatcher "))
}

// epolls counts the epoll instances that are open.
func epolls(t *testing.T) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if what, err := os.Readlink(link); err == nil && what == "anon_inode:[eventpoll]" {
			n++
		}
	}
	return n
}

// Not parallel: it looks into the watcher's table.
func TestAConnectionThatWasClosedIsForgotten(t *testing.T) {
	client, _ := testnet.Pair(t)
	w := watchOver(t, client)
	client.Close()
	// In place of the minute that this may take.
	current.mu.Lock()
	defer current.mu.Unlock()
	e := &current.w.table.entries[0]
	if pause := time.Until(current.w.clock.time(e.next)); pause > longestPause+shortestPause || current.w.wake.IsZero() {
		t.Fatalf("the next look is in %v", pause)
	}
	if sample, state, err := new(sampler).sample(e.c.ref.Subject().Socket()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("that look shows %+v in state %v, %v", sample, state, err)
	}
	w.silent(t)
}

func TestThousandsOfDeathsAtOnceAreAllToldOnce(t *testing.T) {
	t.Parallel()
	const n = 2000
	var calls [n]atomic.Int32
	var all sync.WaitGroup
	all.Add(n)
	servers := make([]*net.TCPConn, n)
	stops := make([]func(), n)
	for i := range n {
		var client *net.TCPConn
		client, servers[i] = testnet.Pair(t)
		stop, err := Watch(client, func(dead *health.DeadError) {
			if dead.Cause != health.Reset {
				t.Errorf("connection %d: %v", i, dead)
			}
			if calls[i].Add(1) == 1 {
				all.Done()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		stops[i] = stop
		t.Cleanup(stop)
	}
	for _, server := range servers {
		reset(server)
	}
	told := make(chan struct{})
	go func() { all.Wait(); close(told) }()
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Error("lost")
	}
	rounds(t)
	for i := range n {
		if got := calls[i].Load(); got != 1 {
			t.Errorf("connection %d was told %d times", i, got)
		}
	}
}
