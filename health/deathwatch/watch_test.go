package deathwatch

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/notify"
)

// A witness writes down what a watch tells.
type witness struct {
	told chan *health.DeadError
	stop func()
}

// watchOver watches c until the test ends.
func watchOver(t testing.TB, c *net.TCPConn) witness {
	t.Helper()
	w := witness{told: make(chan *health.DeadError, 100)}
	var err error
	w.stop, err = Watch(c, func(dead *health.DeadError) { w.told <- dead })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

// next waits for what the watch tells next.
func (w witness) next(t testing.TB) *health.DeadError {
	t.Helper()
	select {
	case dead := <-w.told:
		return dead
	case <-time.After(20 * time.Second):
		t.Fatal("the watch tells nothing")
		return nil
	}
}

// silent fails the test if the watch has told anything more.
func (w witness) silent(t testing.TB) {
	t.Helper()
	select {
	case dead := <-w.told:
		t.Errorf("told, and should not be: %v", dead)
	default:
	}
}

// reset has the far end of a connection send RST.
func reset(peer *net.TCPConn) {
	peer.SetLinger(0)
	peer.Close()
}

// rounds waits until whatever had happened before has been seen by the watch:
// until it has told two later deaths, one after the other.
func rounds(t testing.TB) {
	t.Helper()
	for range 2 {
		client, server := testnet.Pair(t)
		w := watchOver(t, client)
		reset(server)
		w.next(t)
	}
}

func TestAWatchTellsOfAResetWithNobodyReading(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	reset(server)
	dead := w.next(t)
	if dead.Cause != health.Reset || dead.Op != "watch" || !health.IsDead(dead) || time.Since(dead.Detected) > time.Minute {
		t.Errorf("%+v", dead)
	}
	var op *net.OpError
	if !errors.As(dead, &op) || op.Addr.String() != server.LocalAddr().String() {
		t.Errorf("%v does not name the peer", dead)
	}
	rounds(t)
	w.silent(t)
}

func TestAWatchTellsOfAFinOnce(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	server.CloseWrite()
	if dead := w.next(t); dead.Cause != health.PeerClosed {
		t.Errorf("%v", dead)
	}
	rounds(t)
	w.silent(t)
	client.SetDeadline(time.Now().Add(5 * time.Second))
	server.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := client.Write([]byte("half-close is legal")); err != nil {
		t.Error(err)
	}
	if n, err := server.Read(make([]byte, 100)); n != 19 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestNothingIsToldAfterStop(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	w.stop()
	w.stop() // as often as one likes
	reset(server)
	rounds(t)
	w.silent(t)
}

func TestStopAfterTheDeathDoesNothing(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	reset(server)
	w.next(t)
	w.stop()
	w.stop()
	client.Close()
	w.stop()
	rounds(t)
	w.silent(t)
}

func TestStopWithinDeadDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	var stop func()
	watching := make(chan struct{})
	told := make(chan health.Cause, 10)
	stop, err := Watch(client, func(dead *health.DeadError) {
		<-watching
		stop()
		client.Close()
		told <- dead.Cause
	})
	if err != nil {
		t.Fatal(err)
	}
	close(watching)
	server.CloseWrite()
	select {
	case cause := <-told:
		if cause != health.PeerClosed {
			t.Error(cause)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("stuck")
	}
	rounds(t)
	if len(told) > 0 {
		t.Errorf("told after stop: %v", <-told)
	}
}

func TestStopWaitsForACallThatRuns(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	running, finish := make(chan struct{}), make(chan struct{})
	var done atomic.Bool
	stop, err := Watch(client, func(*health.DeadError) {
		close(running)
		<-finish
		done.Store(true)
	})
	if err != nil {
		t.Fatal(err)
	}
	reset(server)
	<-running
	time.AfterFunc(10*time.Millisecond, func() { close(finish) })
	stop()
	if !done.Load() {
		t.Error("stop returned in the middle of a call")
	}
}

func TestStopRacesWithDeath(t *testing.T) {
	t.Parallel()
	var tooLate atomic.Int32
	for range 150 {
		client, server := testnet.Pair(t)
		var stopped atomic.Bool
		stop, err := Watch(client, func(*health.DeadError) {
			if stopped.Load() {
				tooLate.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { reset(server) })
		wg.Go(func() { stop() })
		stop()
		stopped.Store(true)
		wg.Wait()
		client.Close()
	}
	rounds(t)
	if n := tooLate.Load(); n > 0 {
		t.Errorf("%d calls after stop had returned", n)
	}
}

func TestAConnectionHasOneWatch(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := watchOver(t, client)
	if _, err := Watch(client, nil); !errors.Is(err, ErrWatched) {
		t.Errorf("a second watch: %v", err)
	}
	w.stop()
	w = watchOver(t, client) // and another one after it
	reset(server)
	if dead := w.next(t); dead.Cause != health.Reset {
		t.Error(dead)
	}
}

func TestWhoClosesAConnectionWithoutStoppingItsWatchIsNotToldOfThat(t *testing.T) {
	t.Parallel()
	told := make(chan *health.DeadError, 2)
	s := &plainSubject{call: notify.New(func(e *health.DeadError) { told <- e })}
	if dead := s.Dead(closedHere); dead.Cause != health.LocalClosed {
		t.Error(dead)
	}
	s.Dead(func() *health.DeadError { return &health.DeadError{Cause: health.Reset} })
	if dead := <-told; dead.Cause != health.Reset {
		t.Error("told:", dead)
	}
}

func TestAClosedConnectionCannotBeWatched(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	client.Close()
	if _, err := Watch(client, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// own is a connection with a watch of its own, as hale.Conn is.
type own struct {
	*net.TCPConn
	watched func(*health.DeadError)
	stopped int
}

func (o *own) Watch(dead func(*health.DeadError)) (stop func()) {
	o.watched = dead
	return func() { o.stopped++ }
}

func TestAWatchJoinsTheOneThatAConnectionHas(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	o := &own{TCPConn: client}
	var told *health.DeadError
	stop, err := Watch(o, func(dead *health.DeadError) { told = dead })
	if err != nil {
		t.Fatal(err)
	}
	reset(server)
	rounds(t)
	if told != nil {
		t.Errorf("told by a watch beside: %v", told)
	}
	if o.watched == nil {
		t.Fatal("its own watch was not asked")
	}
	want := &health.DeadError{Cause: health.HeartbeatFailed}
	o.watched(want)
	stop()
	if told != want || o.stopped != 1 {
		t.Errorf("told %v, stopped %d times", told, o.stopped)
	}
}

// hiding is a connection that hides the one under it.
type hiding struct{ hidden }

type hidden = net.Conn

func TestWhatHasNoSocketIsRefusedWithAnAdvice(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	_, watch := Watch(&hiding{client}, func(*health.DeadError) {})
	_, ping := Ping(t.Context(), &hiding{client})
	for _, err := range []error{watch, ping} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "NetConn() net.Conn") {
			t.Error(err)
		}
	}
	stop, err := Watch(&struct{ net.Conn }{client}, func(*health.DeadError) {})
	if err != nil {
		t.Fatal("of one that is embedded:", err)
	}
	stop()
}

// A watch that would never tell anything is an error.
func TestWhatIsNotTCPIsRefusedOrWatched(t *testing.T) {
	t.Parallel()
	udp, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := Watch(udp, func(*health.DeadError) {}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), `"udp"`) {
		t.Errorf("UDP: %v", err)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan *health.DeadError, 1)
	stop, err := Watch(near, func(dead *health.DeadError) { told <- dead })
	far.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatal("Unix:", err)
	}
	defer stop()
	select {
	case dead := <-told:
		if dead.Cause != health.PeerClosed {
			t.Error("Unix:", dead)
		}
	case <-time.After(10 * time.Second):
		t.Error("Unix: it is watched, and nothing was told")
	}
}
