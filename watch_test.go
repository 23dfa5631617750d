package hale

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/lab/testnet"
)

// reset has the far end of a connection send RST.
func reset(peer *net.TCPConn) {
	peer.SetLinger(0)
	peer.Close()
}

// An event is what an Observer was told.
type event struct {
	what string
	at   time.Time
	info health.Info
	conn *Conn
	dead *health.DeadError
}

// observe returns an Observer of connections, and where it writes.
func observe() (*Observer, events) {
	ch := make(events, 100)
	return &Observer{
		Suspect:   func(i SuspectInfo) { ch <- event{"suspect", time.Now(), i.Info, i.Conn, nil} },
		Recovered: func(i RecoveredInfo) { ch <- event{"recovered", time.Now(), i.Info, i.Conn, nil} },
		Dead:      func(i DeadInfo) { ch <- event{"dead", time.Now(), i.Err.Info, i.Conn, i.Err} },
		Closed:    func(i ClosedInfo) { ch <- event{"closed", time.Now(), health.Info{}, i.Conn, i.Err} },
	}, ch
}

type events chan event

// next waits for the next event, which must be this one.
func (e events) next(t testing.TB, what string) event {
	t.Helper()
	select {
	case got := <-e:
		if got.what != what {
			t.Fatalf("%s, want %s: %+v, %v", got.what, what, got.info, got.dead)
		}
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
		return event{}
	}
}

func (e events) empty(t testing.TB) {
	t.Helper()
	select {
	case got := <-e:
		t.Errorf("%s: %+v, %v", got.what, got.info, got.dead)
	default:
	}
}

func TestADeathIsKnownWithNobodyReading(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	client, server := connect(t, &Dialer{Observer: o})
	if client.State() != health.Alive || client.Err() != nil {
		t.Fatal(client.State(), client.Err())
	}
	reset(server)
	waitDone(t, client)
	dead := asDead(t, client.Err())
	if dead.Cause != health.Reset || dead.Op != "watch" || client.State() != health.Dead {
		t.Errorf("%v, %v", client.State(), dead)
	}
	if e := seen.next(t, "dead"); e.conn != client || e.dead != dead {
		t.Errorf("%+v", e)
	}
	// Whoever touches it now is told the same.
	if _, err := client.Read(make([]byte, 1)); err != error(dead) {
		t.Errorf("read: %v", err)
	}
	if _, err := client.Write(make([]byte, 1)); err != error(dead) {
		t.Errorf("write: %v", err)
	}
	client.Close()
	if e := seen.next(t, "closed"); e.dead != dead {
		t.Errorf("%+v", e)
	}
	seen.empty(t)
}

func TestAnAcceptedConnectionIsWatchedToo(t *testing.T) {
	t.Parallel()
	l, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reset(peer.(*net.TCPConn))
	waitDone(t, c.(*Conn))
	if dead := asDead(t, c.(*Conn).Err()); dead.Cause != health.Reset {
		t.Error(dead)
	}
}

// told is what a watch of a Conn has told.
type told chan *health.DeadError

func (c told) next(t testing.TB) *health.DeadError {
	t.Helper()
	select {
	case dead := <-c:
		return dead
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is told")
		return nil
	}
}

func (c told) empty(t testing.TB) {
	t.Helper()
	select {
	case dead := <-c:
		t.Errorf("told: %v", dead)
	default:
	}
}

func (c told) tell(dead *health.DeadError) { c <- dead }

func TestAWatchOfAConnTellsWhatItsErrSays(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	a, b := make(told, 10), make(told, 10)
	stopA := client.Watch(a.tell)
	stopB, err := deathwatch.Watch(client, b.tell) // joins it, and is not a second one
	if err != nil {
		t.Fatal(err)
	}
	defer stopA()
	defer stopB()
	server.CloseWrite()
	for _, c := range []told{a, b} {
		if dead := c.next(t); dead.Cause != health.PeerClosed || error(dead) != client.Err() {
			t.Errorf("%v, Err is %v", dead, client.Err())
		}
	}
	client.Close()
	for _, c := range []told{a, b} {
		if dead := c.next(t); dead.Cause != health.LocalClosed || error(dead) != client.Err() {
			t.Errorf("%v, Err is %v", dead, client.Err())
		}
		c.empty(t)
	}
}

func TestAWatchOfAConnTellsAtOnceWhatItHasMissed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(client *Conn, server *net.TCPConn)
		want health.Cause
	}{
		{"death", func(_ *Conn, server *net.TCPConn) { reset(server) }, health.Reset},
		{"fin", func(_ *Conn, server *net.TCPConn) { server.CloseWrite() }, health.PeerClosed},
		{"close", func(client *Conn, _ *net.TCPConn) { client.Close() }, health.LocalClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := connect(t, new(Dialer))
			test.end(client, server)
			eventually(t, func() bool { return client.Err() != nil })
			got := make(told, 10)
			stop := client.Watch(got.tell)
			select {
			case dead := <-got:
				if dead.Cause != test.want || error(dead) != client.Err() {
					t.Error(dead)
				}
			default:
				t.Error("not at once")
			}
			stop()
			stop()
			client.Close()
			got.empty(t)
		})
	}
}

// Two goroutines come with the two events, and the one with the FIN, which came
// first, is held up.
func TestAWatchOfAConnNeverTellsTheFinAfterTheDeath(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, new(Dialer))
	got := make(told, 10)
	defer client.Watch(got.tell)()
	fin := &health.DeadError{Cause: health.PeerClosed, Err: io.EOF}
	dead := &health.DeadError{Cause: health.Reset, Err: errors.New("reset")}
	why, tell := client.verdict.note(fin)
	client.end(func() *health.DeadError { return dead })
	for _, call := range tell {
		call.Fire(why)
	}
	if len(tell) != 1 || got.next(t) != dead {
		t.Error("the death is not what was told")
	}
	got.empty(t)
}

// The death is known already, and its goroutine is held up before it tells.
func TestAWatchOfAConnIsNotToldWhatWasUnderWayAtStop(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, new(Dialer))
	got := make(told, 10)
	stop := client.Watch(got.tell)
	_, first, tell := client.verdict.settle(func() *health.DeadError {
		return &health.DeadError{Cause: health.Reset, Err: errors.New("reset")}
	})
	stop()
	for _, call := range tell {
		call.Fire(client.verdict.final())
	}
	if !first || len(tell) != 1 {
		t.Errorf("first %v, %d to tell", first, len(tell))
	}
	got.empty(t)
}

func TestAWatchOfAConnIsSilentAfterStop(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	got := make(told, 10)
	stop := client.Watch(got.tell)
	stop()
	reset(server)
	waitDone(t, client)
	got.empty(t)
	// And a stop from within.
	client, server = connect(t, new(Dialer))
	within := make(chan func(), 1)
	within <- client.Watch(func(e *health.DeadError) { (<-within)(); client.Close(); got <- e })
	reset(server)
	waitDone(t, client)
	if dead := got.next(t); dead.Cause != health.Reset {
		t.Error(dead)
	}
	got.empty(t)
}

// alive checks that the watch of the process goes on telling deaths.
func alive(t *testing.T) {
	t.Helper()
	client, server := connect(t, new(Dialer))
	reset(server)
	waitDone(t, client)
	if dead := asDead(t, client.Err()); dead.Cause != health.Reset {
		t.Error(dead)
	}
}

func TestAConnMayBeClosedByItsOwnWatchWhenThePeerCloses(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	got := make(told, 10)
	defer client.Watch(func(e *health.DeadError) {
		client.Close()
		got.tell(e)
	})()
	server.Close()
	for _, want := range []health.Cause{health.PeerClosed, health.LocalClosed} {
		if dead := got.next(t); dead.Cause != want {
			t.Errorf("%v, want %v", dead, want)
		}
	}
	alive(t)
	got.empty(t)
}

func TestTwoConnsMayCloseEachOtherInTheirWatches(t *testing.T) {
	t.Parallel()
	a, server := connect(t, new(Dialer))
	b, _ := connect(t, new(Dialer))
	toA, toB := make(told, 10), make(told, 10)
	defer a.Watch(func(e *health.DeadError) { b.Close(); toA.tell(e) })()
	defer b.Watch(func(e *health.DeadError) { a.Close(); toB.tell(e) })()
	server.Close()
	if dead := toA.next(t); dead.Cause != health.PeerClosed {
		t.Error(dead)
	}
	for _, got := range []told{toA, toB} {
		if dead := got.next(t); dead.Cause != health.LocalClosed {
			t.Error(dead)
		}
	}
	alive(t)
}

func TestAConnMayBeClosedAndItsWatchStoppedByWhatTheWatchCalls(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	got, stop := make(told, 10), make(chan func(), 1)
	stop <- client.Watch(func(e *health.DeadError) {
		client.Close()
		(<-stop)()
		got.tell(e)
	})
	server.Close()
	if dead := got.next(t); dead.Cause != health.PeerClosed {
		t.Error(dead)
	}
	alive(t)
	got.empty(t)
}

func TestAnObserverMayCloseTheConnThatDied(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	tell, told := o.Dead, o.Closed
	o.Dead = func(i DeadInfo) { i.Conn.Close(); tell(i) }
	o.Closed = func(i ClosedInfo) { i.Conn.Close(); told(i) }
	client, server := connect(t, &Dialer{Observer: o})
	reset(server)
	waitDone(t, client)
	seen.next(t, "dead")
	seen.next(t, "closed") // which came while the other was told
	alive(t)
	seen.empty(t)
}

// rounds is how often the races below are run: enough to meet what they look
// for when it is there, and no longer than a few seconds.
const rounds = 300

// race runs everything at once against the death of a connection, in many
// connections one after the other.
func race(t *testing.T, against func(t *testing.T, c *Conn)) {
	t.Parallel()
	var ends, deaths atomic.Int32
	o := &Observer{
		Dead:   func(DeadInfo) { deaths.Add(1) },
		Closed: func(ClosedInfo) { ends.Add(1) },
	}
	l := testnet.Listen(t)
	d := &Dialer{Observer: o}
	over := time.Now().Add(10 * time.Second)
	n := int32(0)
	for ; n < rounds && time.Now().Before(over); n++ {
		conn, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		c := conn.(*Conn)
		before := deaths.Load()
		var wg sync.WaitGroup
		wg.Go(func() { reset(server) })
		against(t, c)
		wg.Wait()
		c.Close()
		waitDone(t, c)
		eventually(t, func() bool { return ends.Load() == n+1 }) // what comes before in the line is told
		told := deaths.Load() - before
		switch dead := asDead(t, c.Err()); {
		case dead.Cause == health.Reset && told == 1, dead.Cause == health.LocalClosed && told == 0:
		default:
			t.Fatalf("%v, and %d deaths were observed", dead, told)
		}
	}
	if ends.Load() != n {
		t.Errorf("%d connections closed, %d times", n, ends.Load())
	}
}

func TestDeathRacesWithClose(t *testing.T) {
	race(t, func(t *testing.T, c *Conn) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { c.Close() })
		}
		wg.Wait()
	})
}

func TestDeathRacesWithReadAndWrite(t *testing.T) {
	race(t, func(t *testing.T, c *Conn) {
		bound(t, c, 10*time.Second)
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				for errs[i] == nil {
					if i%2 == 0 {
						_, errs[i] = c.Read(make([]byte, 1))
					} else {
						_, errs[i] = c.Write(make([]byte, 1))
					}
				}
			})
		}
		wg.Wait()
		_, unknown := c.Info()
		for _, err := range errs {
			if unknown != nil && err == io.EOF {
				continue // somebody else was given the error, and this kernel cannot be asked
			}
			if dead := asDead(t, err); dead.Cause != health.Reset || error(dead) != c.Err() {
				t.Errorf("%v, Err is %v", err, c.Err())
			}
		}
	})
}

func TestDeathRacesWithStop(t *testing.T) {
	race(t, func(t *testing.T, c *Conn) {
		var stopped atomic.Bool
		stop := c.Watch(func(*health.DeadError) {
			if stopped.Load() {
				t.Error("told after stop had returned")
			}
		})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(stop)
		}
		stop()
		stopped.Store(true)
		wg.Wait()
	})
}

// Every round gets the descriptor's number of the round before, whose peer
// ends in the middle of it.
func TestDeathRacesWithReuseOfTheDescriptor(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	var late sync.WaitGroup
	for range rounds {
		conn, err := Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		c := conn.(*Conn)
		if err := c.Err(); err != nil {
			t.Fatalf("told of another one's death: %v", err)
		}
		late.Go(func() { reset(server) })
		if err := c.Err(); err != nil && asDead(t, err).Cause != health.Reset {
			t.Fatal(err)
		}
		c.Close()
	}
	late.Wait()
	// A connection that lives on through it all.
	client, server := connect(t, new(Dialer))
	if client.Err() != nil || client.State() != health.Alive {
		t.Error(client.Err())
	}
	server.Write([]byte("x"))
	bound(t, client, 5*time.Second)
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
