//go:build linux && !hale_sweep

package deathwatch

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

// A note is one call to a Subject.
type note struct {
	what string
	at   time.Time
	info health.Info
	dead *health.DeadError
}

// notebook is a Subject, and its own Ref, that writes down what it is told.
type notebook struct {
	*net.TCPConn
	socket syscall.RawConn
	notes  chan note

	telling atomic.Bool
	asked   atomic.Int32 // whether it is telling

	mu     sync.Mutex // guards limits
	limits Limits
}

func (n *notebook) Subject() Subject        { return n }
func (n *notebook) Dropped()                {}
func (n *notebook) Telling() bool           { n.asked.Add(1); return n.telling.Load() }
func (n *notebook) Socket() syscall.RawConn { return n.socket }

func (n *notebook) Limits() Limits {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.limits
}

func (n *notebook) setLimits(l Limits) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limits = l
}

func (n *notebook) PeerClosed(e *health.DeadError) { n.notes <- note{"fin", time.Now(), e.Info, e} }
func (n *notebook) Dead(find func() *health.DeadError) *health.DeadError {
	e := find()
	if e != nil {
		n.notes <- note{"dead", time.Now(), e.Info, e}
	}
	return e
}
func (n *notebook) Suspect(i health.Info)   { n.notes <- note{"suspect", time.Now(), i, nil} }
func (n *notebook) Recovered(i health.Info) { n.notes <- note{"recovered", time.Now(), i, nil} }
func (n *notebook) Sampled(i health.Info)   { n.notes <- note{"sampled", time.Now(), i, nil} }

// next waits for the next call, which must be this one.
func (n *notebook) next(t *testing.T, what string) note {
	t.Helper()
	select {
	case got := <-n.notes:
		if got.what != what {
			t.Fatalf("%s, want %s: %+v, %v", got.what, what, got.info, got.dead)
		}
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
		return note{}
	}
}

func (n *notebook) empty(t *testing.T) {
	t.Helper()
	select {
	case got := <-n.notes:
		t.Errorf("%s, %+v, %v", got.what, got.info, got.dead)
	default:
	}
}

func newNotebook(t *testing.T, c *net.TCPConn, l Limits) *notebook {
	t.Helper()
	socket, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return &notebook{TCPConn: c, socket: socket, notes: make(chan note, 100), limits: l}
}

// supervise supervises c until the test ends.
func supervise(t *testing.T, c *net.TCPConn, l Limits) (*notebook, *Supervision) {
	t.Helper()
	n := newNotebook(t, c, l)
	s, err := Supervise(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return n, s
}

// within fails the test unless d lies in the bounds.
func within(t *testing.T, what string, d, least, most time.Duration) {
	t.Helper()
	if d < least || d > most {
		t.Errorf("%s after %v, want %v to %v", what, d, least, most)
	}
}

func TestDataThatNothingAcknowledgesEndsTheConnection(t *testing.T) {
	t.Parallel()
	opened := time.Now()
	client, server := testnet.Pair(t) // whose kernel would wait for a quarter of an hour
	const silence = 2 * time.Second
	n, _ := supervise(t, client, Limits{Silence: silence})
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
	if s := n.next(t, "suspect"); s.info.Unacked != 8 || s.info.Retransmits < 1 {
		t.Errorf("suspect: %+v", s.info)
	}
	d := n.next(t, "dead")
	// The silence begins when the peer was last heard, which is between the two.
	if got := d.at.Sub(opened); got < silence-early {
		t.Errorf("dead %v after the connect began", got)
	}
	within(t, "dead", d.at.Sub(start), 0, silence+600*time.Millisecond)
	if d.dead.Cause != health.SendTimeout || !errors.Is(d.dead, syscall.ETIMEDOUT) || d.info.Unacked != 8 {
		t.Errorf("%+v", d.dead)
	}
	if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a blocked Read goes on: %v", err)
	}
	n.empty(t)
}

// lateWriter is a notebook that writes when it has been told of a death.
type lateWriter struct {
	*notebook
	wrote chan error
}

func (w *lateWriter) Subject() Subject { return w }

func (w *lateWriter) Dead(find func() *health.DeadError) *health.DeadError {
	dead := find()
	if dead != nil {
		_, err := w.Write([]byte("late"))
		w.wrote <- err
	}
	return dead
}

func TestNothingIsTakenFromWhoeverKnowsThatThePeerIsGone(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	w := &lateWriter{newNotebook(t, client, Limits{Silence: time.Second}), make(chan error, 2)}
	s, err := Supervise(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	testnet.Freeze(t, server)
	if _, err := client.Write([]byte("anybody?")); err != nil {
		t.Fatal(err)
	}
	if err := <-w.wrote; !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a write after the death: %v", err)
	}
}

// A FIN is in flight although the kernel notes no data that was sent.
func TestAFinThatNothingAcknowledgesEndsTheConnection(t *testing.T) {
	t.Parallel()
	opened := time.Now()
	client, server := testnet.Pair(t)
	const silence = 2 * time.Second
	n, _ := supervise(t, client, Limits{Silence: silence})
	testnet.Freeze(t, server)
	start := time.Now()
	client.CloseWrite()
	n.next(t, "suspect")
	d := n.next(t, "dead")
	// The silence begins when the peer was last heard, which is between the two.
	if got := d.at.Sub(opened); got < silence-early {
		t.Errorf("dead %v after the connect began", got)
	}
	within(t, "dead", d.at.Sub(start), 0, silence+600*time.Millisecond)
	if d.dead.Cause != health.SendTimeout {
		t.Error(d.dead)
	}
}

func TestAPeerThatAnswersWithoutReadingIsLeftAlone(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	setPace(t, client)
	n, _ := supervise(t, client, Limits{Silence: 4 * time.Second})
	fill(t, client)
	// An absence: more than a silent peer would have been given.
	time.Sleep(6 * time.Second)
	n.empty(t)
	if info := inspect(t, client); info.SendWindow != 0 || info.State != health.TCPEstablished {
		t.Errorf("%+v", info)
	}
	testnet.Freeze(t, server)
	start := time.Now()
	n.next(t, "suspect")
	d := n.next(t, "dead")
	within(t, "dead", d.at.Sub(start), 3*time.Second-2*resolution, 4800*time.Millisecond)
	if d.dead.Cause != health.SendTimeout {
		t.Error(d.dead)
	}
}

// setPace has the kernel retransmit, and probe a shut window, every second.
func setPace(t *testing.T, c *net.TCPConn) {
	t.Helper()
	testnet.NeedLinux(t, 6, 15, "TCP_RTO_MAX_MS")
	const rtoMax = 44
	onSocket(t, c, func(fd int) error {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, rtoMax, 1000)
		if errors.Is(err, unix.ENOPROTOOPT) {
			testnet.Missing(t, "TCP_RTO_MAX_MS, which Linux has since 6.15")
		}
		return err
	})
}

// The kernel's own plan would need twenty seconds.
func TestAnIdlePeerIsAskedInDoubtAndGivenUpWhenTheBudgetIsOver(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 1, interval: 10, count: 2}.set(t, client)
	limits := Limits{Idle: time.Second, Silence: 2800 * time.Millisecond, Ask: true}
	n, _ := supervise(t, client, limits)
	testnet.Freeze(t, server)
	start := time.Now()
	if s := n.next(t, "suspect"); s.info.Probes < 2 || s.at.Sub(start) > 2*time.Second {
		t.Errorf("suspect after %v: %+v", s.at.Sub(start), s.info)
	}
	d := n.next(t, "dead")
	within(t, "dead", d.at.Sub(start), limits.Silence-100*time.Millisecond, limits.Silence+400*time.Millisecond)
	if d.dead.Cause != health.KeepAliveTimeout || !errors.Is(d.dead, syscall.ETIMEDOUT) || d.info.Probes < 6 {
		t.Errorf("%v, %d probes", d.dead, d.info.Probes)
	}
	if _, err := client.Write([]byte("x")); err == nil {
		t.Error("the kernel has not ended it")
	}
	n.empty(t)
}

func TestAPeerThatAnswersAtTheLastMomentLives(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 1, interval: 7, count: 3}.set(t, client)
	n, _ := supervise(t, client, Limits{Idle: time.Second, Silence: 4 * time.Second, Ask: true})
	thaw := testnet.Freeze(t, server)
	n.next(t, "suspect")
	waitFor(t, client, func(i health.Info) bool { return i.Silence() > 3300*time.Millisecond })
	thaw()
	if r := n.next(t, "recovered"); r.info.Probes != 0 || r.info.Silence() > time.Second {
		t.Errorf("%+v", r.info)
	}
	waitOption(t, client, unix.TCP_KEEPCNT, 3)
	waitOption(t, client, unix.TCP_KEEPIDLE, 1)
	n.empty(t)
}

// waitOption waits for an option to be put back.
func waitOption(t *testing.T, c *net.TCPConn, number, want int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for option(t, c, number) != want {
		if time.Now().After(deadline) {
			t.Fatalf("option %d stays at %d", number, option(t, c, number))
		}
		time.Sleep(time.Millisecond)
	}
}

// Somebody sets the options while the watch has its own there.
func TestOptionsThatOthersSetMeanwhileStayAndCount(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 1, interval: 1, count: 2}.set(t, client)
	n, _ := supervise(t, client, Limits{Idle: time.Second, Silence: 3 * time.Second, Ask: true})
	thaw := testnet.Freeze(t, server)
	n.next(t, "suspect")
	n.setLimits(Limits{Idle: 60 * time.Second, Silence: 90 * time.Second, Ask: true})
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	// An absence: the limits of before would have ended it.
	time.Sleep(4 * time.Second)
	n.empty(t)
	thaw()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	n.next(t, "recovered")
	if idle, count := option(t, client, unix.TCP_KEEPIDLE), option(t, client, unix.TCP_KEEPCNT); idle != 60 || count != 3 {
		t.Errorf("idle %d, count %d", idle, count)
	}
}

func TestOptionsArePutBackWhenAWatchEndsInADoubt(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 2, interval: 7, count: 3}.set(t, client)
	n, s := supervise(t, client, Limits{Idle: 2 * time.Second, Silence: 20 * time.Second, Ask: true})
	testnet.Freeze(t, server)
	n.next(t, "suspect")
	waitOption(t, client, unix.TCP_KEEPIDLE, 1)
	s.Stop()
	if idle, count := option(t, client, unix.TCP_KEEPIDLE), option(t, client, unix.TCP_KEEPCNT); idle != 2 || count != 3 {
		t.Errorf("idle %d, count %d", idle, count)
	}
	if err := s.change(n.Socket(), func(uintptr) error { return nil }); err == nil {
		t.Error("it may go on asking")
	}
}

// A kernel that finds more askings unanswered than the count allows gives the connection
// up at its next tick: the watch's own stands again at once.
func TestOptionsMayBeSetWhileTheWatchAsks(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 1, interval: 7, count: 3}.set(t, client)
	n, s := supervise(t, client, Limits{Idle: time.Second, Silence: 2500 * time.Millisecond, Ask: true})
	testnet.Freeze(t, server)
	n.next(t, "suspect")
	for range 20 {
		err := s.Refresh(func() error {
			if idle, count := option(t, client, unix.TCP_KEEPIDLE), option(t, client, unix.TCP_KEEPCNT); idle != 1 || count != 3 {
				t.Errorf("idle %d, count %d: those of the watch", idle, count)
			}
			timers{interval: 1}.set(t, client)
			return syscall.EPERM
		})
		if count := option(t, client, unix.TCP_KEEPCNT); err != syscall.EPERM || count == 3 && inspect(t, client).State != health.TCPClose {
			t.Errorf("%v, count %d", err, count)
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.next(t, "dead") // by the watch, or the kernel if it was quick
	n.empty(t)
}

// early is by how much a verdict may come before the silence has lasted: the watch
// takes what is left of it for nothing, and the kernel tells in jiffies.
const early = resolution + 10*time.Millisecond

func TestLimitsAreAskedForAgainBeforeAVerdict(t *testing.T) {
	t.Parallel()
	opened := time.Now() // the peer is last heard between this and start
	client, server := testnet.Pair(t)
	n, _ := supervise(t, client, Limits{Silence: 2 * time.Second})
	testnet.Freeze(t, server)
	n.setLimits(Limits{Silence: 5 * time.Second}) // and nobody says so
	start := time.Now()
	client.Write([]byte("x"))
	n.next(t, "suspect")
	d := n.next(t, "dead")
	if got := d.at.Sub(opened); got < 5*time.Second-early {
		t.Errorf("dead %v after the connect began", got)
	}
	within(t, "dead", d.at.Sub(start), 0, 5600*time.Millisecond)
}

func TestRefreshedLimitsHoldAtOnce(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	n, s := supervise(t, client, Limits{Silence: time.Hour})
	testnet.Freeze(t, server)
	client.Write([]byte("x"))
	n.setLimits(Limits{Silence: 2 * time.Second})
	start := time.Now()
	s.Refresh(nil)
	n.next(t, "suspect")
	within(t, "dead", n.next(t, "dead").at.Sub(start), time.Second, 2600*time.Millisecond)
}

func TestTheSiblingsOfASilentDeathAreAskedAtOnce(t *testing.T) {
	t.Parallel()
	// An address of their own: other tests' peers are siblings, too.
	lost, lostPeer := pairOn(t, "127.0.7.1")
	other, _ := pairOn(t, "127.0.7.1")
	for _, c := range []*net.TCPConn{lost, other} {
		timers{idle: 60, interval: 10, count: 3}.set(t, c)
	}
	n, _ := supervise(t, lost, Limits{Silence: 2 * time.Second})
	sibling, _ := supervise(t, other, Limits{Idle: time.Minute, Silence: 90 * time.Second, Ask: true})
	testnet.Freeze(t, lostPeer)
	lost.Write([]byte("x"))
	n.next(t, "suspect")
	n.next(t, "dead")
	waitFor(t, other, func(i health.Info) bool { return i.Silence() < time.Second })
	waitOption(t, other, unix.TCP_KEEPIDLE, 60)
	sibling.empty(t)
}

// pairOn is testnet.Pair on another address of the loopback network.
func pairOn(t *testing.T, host string) (client, server *net.TCPConn) {
	t.Helper()
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{KeepAlive: -1}
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// This process may have stood still between the look and what follows from it.
func TestAPeerThatIsHeardAfterTheLookIsNotGivenUp(t *testing.T) {
	t.Parallel()
	w, c, n := apart(t)
	if w.end(c, n, sample{pending: true, silence: time.Minute}) {
		t.Error("it is given up")
	}
	if w.at(c.place.slot, c.place.gen) != c {
		t.Error("it is not watched any more")
	}
	if _, err := n.TCPConn.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	n.empty(t)
}

// A look for another reason, a sibling's death for instance, does not shorten it.
func TestWhoeverWasGivenTheErrorHasItsTimeToTell(t *testing.T) {
	t.Parallel()
	w, c, n := apart(t)
	w.epoll.Close() // it looks when it is told to
	reset(n.peer)
	waitFor(t, n.TCPConn, func(i health.Info) bool { return i.State == health.TCPClose })
	if number, err := socketError(n.Socket()); number != syscall.ECONNRESET || err != nil {
		t.Fatal(number, err)
	}
	w.look(c)
	c.settleAt += time.Hour
	if next := w.examine(c, true); next == never {
		t.Error("it is not looked at again")
	}
	c.settleAt = w.clock.plus(0)
	n.telling.Store(true) // late, on a machine that is busy
	if next := w.examine(c, false); next == never {
		t.Error("it is not looked at again")
	}
	n.empty(t)
	c.settleAt = w.clock.plus(-longestTelling) // or never
	w.examine(c, false)
	if d := n.next(t, "dead"); d.dead.Cause != health.Reset {
		t.Error(d.dead)
	}
}

func TestWhoIsRemovedWhileDueIsNotTold(t *testing.T) {
	t.Parallel()
	w, c, n := apart(t)
	server := n.peer
	w.remove(c, n)
	reset(server)
	waitFor(t, n.TCPConn, func(i health.Info) bool { return i.State == health.TCPClose })
	if next := w.examine(c, false); next != never {
		t.Errorf("to be looked at again at %v", next)
	}
	n.empty(t)
}

// withPeer is a notebook that knows its connection's other end.
type withPeer struct {
	*notebook
	peer *net.TCPConn
}

// apart returns a watcher of its own, whose goroutine never finds anything due,
// with one connection.
func apart(t *testing.T) (*watcher, *Supervision, withPeer) {
	t.Helper()
	w, err := startWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.epoll.Close() })
	c, n := join(t, w)
	return w, c, n
}

func join(t *testing.T, w *watcher) (*Supervision, withPeer) {
	t.Helper()
	client, server := testnet.Pair(t)
	n := newNotebook(t, client, Limits{})
	c := &Supervision{ref: n, detector: newDetector()}
	if err := w.add(c, n); err != nil {
		t.Fatal(err)
	}
	return c, withPeer{n, server}
}

func TestAnEventForAPredecessorInTheTableFindsNobody(t *testing.T) {
	t.Parallel()
	w, old, n := apart(t)
	w.remove(old, n)
	young, n := join(t, w)
	defer w.remove(young, n)
	if old.place.slot != young.place.slot || w.at(young.place.slot, young.place.gen) != young {
		t.Fatalf("%+v, then %+v", old.place, young.place)
	}
	if c := w.at(old.place.slot, old.place.gen); c != nil {
		t.Errorf("%+v finds %+v", old.place, c.place)
	}
}

// Not parallel: the clock that jumps is everybody's.
func TestAfterASleepIdleConnectionsAreSuspectUntilHeard(t *testing.T) {
	testnet.NeedFreeze(t)
	const idle = 60
	healthy, _ := testnet.Pair(t)
	lost, lostPeer := testnet.Pair(t)
	silenced, _ := testnet.Pair(t) // without keepalive: it cannot be asked
	var notes [3]*notebook
	for i, c := range []*net.TCPConn{healthy, lost, silenced} {
		timers{idle, 1, 2, 0}.set(t, c)
		limits := Limits{Idle: idle * time.Second, Silence: 63 * time.Second, Ask: true}
		if c == silenced {
			limits.Idle = 0
		}
		notes[i], _ = supervise(t, c, limits)
	}
	testnet.Freeze(t, lostPeer)
	waitFor(t, healthy, func(i health.Info) bool { return i.Silence() > time.Second })
	current.mu.Lock()
	w := current.w
	current.mu.Unlock()
	w.clock.skew.Add(int64(time.Hour))
	w.mu.Lock()
	w.wakeBy(w.clock.since(time.Now()))
	w.mu.Unlock()

	notes[0].next(t, "suspect")
	notes[1].next(t, "suspect")
	notes[0].next(t, "recovered")
	waitOption(t, healthy, unix.TCP_KEEPIDLE, idle)
	waitFor(t, lost, func(i health.Info) bool { return i.Probes > 3 }) // asked again and again
	for _, n := range notes {
		n.empty(t)
	}
}

// kept is a Subject that its Ref does not keep.
type kept struct{ *notebook }

type weakRef struct {
	subject weak.Pointer[kept]
	dropped *atomic.Int32
}

func (r weakRef) Dropped() { r.dropped.Add(1) }
func (r weakRef) Subject() Subject {
	if k := r.subject.Value(); k != nil {
		return k
	}
	return nil
}

// Not parallel: it looks into the watcher's table.
func TestTheWatchKeepsNoConnectionAlive(t *testing.T) {
	l := testnet.Listen(t)
	const n = 100
	var dropped atomic.Int32
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		k := &kept{newNotebook(t, c.(*net.TCPConn), Limits{Idle: time.Minute, Silence: 1600 * time.Millisecond, Ask: true})}
		if _, err := Supervise(weakRef{weak.Make(k), &dropped}); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for dropped.Load() < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d were found", dropped.Load(), n)
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.w != nil {
		t.Error("and the watch goes on for nobody")
	}
}
