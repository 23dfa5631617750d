//go:build linux && !hale_sweep

package health

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

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

func TestAWatchTellsOfAFrozenPeerWithNobodyReading(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	short.set(t, client)
	w := watchOver(t, client)
	testnet.Freeze(t, server)
	start := time.Now()
	dead := w.next(t)
	died(t, start, 2*time.Second, 2*time.Second)
	if dead.Cause != KeepAliveTimeout || dead.Op != "watch" || dead.Silence < 1900*time.Millisecond ||
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
		want Cause
	}{
		{"silence", func(t *testing.T, server *net.TCPConn) { testnet.Freeze(t, server) }, KeepAliveTimeout},
		// What the kernel makes of RST after FIN is EPIPE (tcp_reset).
		{"reset", func(_ *testing.T, server *net.TCPConn) { reset(server) }, PeerClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			short.set(t, client)
			w := watchOver(t, client)
			server.Write([]byte("last words"))
			server.CloseWrite()
			if dead := w.next(t); dead.Cause != PeerClosed || !errors.Is(dead, io.EOF) {
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
	if dead := w.next(t); dead.Cause != PeerClosed {
		t.Errorf("%v", dead)
	}
	client.CloseWrite()
	// The first watch ends by itself; then there can be another one.
	deadline := time.Now().Add(10 * time.Second)
	stop, err := Watch(client, func(*DeadError) {})
	for errors.Is(err, ErrWatched) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
		stop, err = Watch(client, func(*DeadError) {})
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
	if dead := w.next(t); dead.Cause != KeepAliveTimeout || !errors.Is(dead, syscall.ETIMEDOUT) {
		t.Errorf("the watch: %v", dead)
	}
	if err := <-read; !IsDead(err) {
		t.Errorf("the reader: %v", err)
	}
}

func TestADeathWhoseErrorSomebodyElseTookIsExplained(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, short)
	waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
	client.Read(make([]byte, 1))
	w := watchOver(t, client)
	if dead := w.next(t); dead.Cause != KeepAliveTimeout || !errors.Is(dead, syscall.ETIMEDOUT) {
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
		if told := w.next(t); told.Cause != PeerClosed {
			t.Fatalf("the new one is told of the old one's end: %v", told)
		}
		server.Close()
		client.Close()
		w.stop()
		w.silent(t)
		old.stop()
		select {
		case told := <-old.told:
			if told.Cause != Reset {
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
	return bytes.Count(buf[:runtime.Stack(buf, true)], []byte("created by example.com/hale/health.startWatcher "))
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
	e := &current.w.table[0]
	if pause := time.Until(current.w.clock.time(e.next)); pause > pauseMost || current.w.wake.IsZero() {
		t.Fatalf("the next look is in %v", pause)
	}
	if g, state, err := new(eye).glimpse(e.c); !errors.Is(err, net.ErrClosed) {
		t.Errorf("that look shows %+v in state %v, %v", g, state, err)
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
		stop, err := Watch(client, func(dead *DeadError) {
			if dead.Cause != Reset {
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

// A note is one call to a Subject.
type note struct {
	what string
	at   time.Time
	info Info
	dead *DeadError
}

type notebook chan note

func (n notebook) PeerClosed(e *DeadError) { n <- note{"fin", time.Now(), e.Info, e} }
func (n notebook) Dead(e *DeadError)       { n <- note{"dead", time.Now(), e.Info, e} }
func (n notebook) Suspect(i Info)          { n <- note{"suspect", time.Now(), i, nil} }
func (n notebook) Recovered(i Info)        { n <- note{"recovered", time.Now(), i, nil} }

// next waits for the next call, which must be this one.
func (n notebook) next(t *testing.T, what string) note {
	t.Helper()
	select {
	case got := <-n:
		if got.what != what {
			t.Fatalf("%s, want %s: %+v, %v", got.what, what, got.info, got.dead)
		}
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
		return note{}
	}
}

func (n notebook) empty(t *testing.T) {
	t.Helper()
	select {
	case got := <-n:
		t.Errorf("%s, %+v, %v", got.what, got.info, got.dead)
	default:
	}
}

// superviseOver supervises c until the test ends.
func superviseOver(t *testing.T, c *net.TCPConn, l Limits) (notebook, func()) {
	t.Helper()
	n := make(notebook, 100)
	remove, err := Supervise(c, l, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	return n, remove
}

func TestDataThatNothingAcknowledgesEndsTheConnection(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t) // whose kernel would wait for a quarter of an hour
	const silence = 2 * time.Second
	n, _ := superviseOver(t, client, Limits{Silence: silence})
	testnet.Freeze(t, server)
	bound(t, client, 15*time.Second)
	start := time.Now()
	if _, err := client.Write([]byte("anybody?")); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		read <- err
	}()
	if s := n.next(t, "suspect"); s.at.Sub(start) < silence/suspectPart || s.at.Sub(start) > silence/2+2*pauseLeast || s.info.Unacked != 8 {
		t.Errorf("suspect after %v: %+v", s.at.Sub(start), s.info)
	}
	d := n.next(t, "dead")
	if after := d.at.Sub(start); after < silence || after > silence+1500*time.Millisecond {
		t.Errorf("dead after %v", after)
	}
	if d.dead.Cause != SendTimeout || !errors.Is(d.dead, syscall.ETIMEDOUT) || d.info.Unacked != 8 {
		t.Errorf("%+v", d.dead)
	}
	if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a blocked Read goes on: %v", err)
	}
	n.empty(t)
}

func TestAPeerThatAnswersWithoutReadingIsLeftAlone(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	n, _ := superviseOver(t, client, Limits{Silence: 4 * time.Second})
	fill(t, client)
	// An absence: more than a silent peer would have been given.
	time.Sleep(6 * time.Second)
	n.empty(t)
	if info := inspectT(t, client); info.SendWindow != 0 || info.State != TCPEstablished {
		t.Errorf("%+v", info)
	}
	testnet.Freeze(t, server)
	n.next(t, "suspect")
	if d := n.next(t, "dead"); d.dead.Cause != SendTimeout {
		t.Error(d.dead)
	}
}

func TestTheFirstUnansweredProbeMakesSuspect(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{1, 2, 3, 0}.set(t, client)
	n, _ := superviseOver(t, client, Limits{Idle: time.Second, Silence: 7 * time.Second})
	thaw := testnet.Freeze(t, server)
	waitFor(t, client, func(i Info) bool { return i.Probes == 1 })
	asked := time.Now()
	if s := n.next(t, "suspect"); s.at.Sub(asked) > 2*time.Second || s.info.Probes != 1 {
		t.Errorf("suspect %v after the first probe: %+v", s.at.Sub(asked), s.info)
	}
	thaw()
	if r := n.next(t, "recovered"); r.info.Probes != 0 || r.info.Silence() > time.Second {
		t.Errorf("%+v", r.info)
	}
	n.empty(t)
}

func TestWhoIsRemovedWhileDueIsNotTold(t *testing.T) {
	t.Parallel()
	// A watcher of its own, whose goroutine never finds anything due.
	w, err := startWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer w.epoll.Close()
	client, server := testnet.Pair(t)
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := make(notebook, 10)
	c := &watched{raw: raw, conn: client, subject: n}
	if err := w.add(c); err != nil {
		t.Fatal(err)
	}
	w.remove(c)
	reset(server)
	waitFor(t, client, func(i Info) bool { return i.State == TCPClose })
	if next := w.examine(c, time.Now()); next != never {
		t.Errorf("to be looked at again at %v", next)
	}
	n.empty(t)
}

// Not parallel: the clock that jumps is everybody's.
func TestAfterASleepIdleConnectionsAreSuspectUntilLookedAt(t *testing.T) {
	testnet.NeedFreeze(t)
	// With an idle time like this nothing would be noticed for a minute. The
	// silence, which is about data, has the watcher look often.
	const idle = 60
	limits := Limits{Idle: idle * time.Second, Silence: time.Second}
	healthy, _ := testnet.Pair(t)
	lost, lostPeer := testnet.Pair(t)
	var notes [2]notebook
	for i, c := range []*net.TCPConn{healthy, lost} {
		timers{idle, 1, 2, 0}.set(t, c)
		notes[i], _ = superviseOver(t, c, limits)
	}
	testnet.Freeze(t, lostPeer)
	if got := keepIdle(t, healthy); got != idle {
		t.Fatalf("TCP_KEEPIDLE is %d", got)
	}
	start := time.Now()
	current.mu.Lock()
	current.w.clock.skew.Add(int64(time.Hour))
	current.mu.Unlock()

	notes[0].next(t, "suspect")
	notes[1].next(t, "suspect")
	notes[0].next(t, "recovered")
	waitIdle(t, healthy, idle)
	d := notes[1].next(t, "dead")
	if d.dead.Cause != KeepAliveTimeout || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), d.dead)
	}
	notes[0].empty(t)
	notes[1].empty(t)
}

// waitIdle waits for the idle time to be put back.
func waitIdle(t *testing.T, c *net.TCPConn, want int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for keepIdle(t, c) != want {
		if time.Now().After(deadline) {
			t.Fatalf("TCP_KEEPIDLE stays at %d", keepIdle(t, c))
		}
		time.Sleep(time.Millisecond)
	}
}

func keepIdle(t *testing.T, c *net.TCPConn) (seconds int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rawconn.Control(raw, func(fd uintptr) (err error) {
		seconds, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}

func TestAnEventForAPredecessorInTheTableFindsNobody(t *testing.T) {
	t.Parallel()
	w, err := startWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer w.epoll.Close()
	join := func() *watched {
		client, _ := testnet.Pair(t)
		raw, err := client.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		c := &watched{raw: raw, conn: client, subject: make(notebook, 10)}
		if err := w.add(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := join()
	w.remove(old)
	young := join()
	defer w.remove(young)
	if old.place.slot != young.place.slot || w.at(young.place) != young {
		t.Fatalf("%+v, then %+v", old.place, young.place)
	}
	if c := w.at(old.place); c != nil {
		t.Errorf("%+v finds %+v", old.place, c.place)
	}
}
