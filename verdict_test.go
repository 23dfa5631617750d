package hale

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// deaths says of every cause whether it is a death that the Observer is told
// of and that calls return, or the end that the connection's user chose.
var deaths = map[health.Cause]bool{
	health.Unknown:          true,
	health.KeepAliveTimeout: true,
	health.SendTimeout:      true,
	health.PeerStalled:      true,
	health.Reset:            true,
	health.PeerClosed:       true, // as the end of both sides
	health.Unreachable:      true,
	health.HeartbeatFailed:  true,
	health.LocalClosed:      false,
	health.Aborted:          true,
}

func TestEveryCauseIsDecidedToBeADeathOrNot(t *testing.T) {
	t.Parallel()
	for cause := range health.Causes() {
		want, decided := deaths[cause]
		if !decided {
			t.Errorf("nobody has decided whether %v is a death", cause)
		}
		told := false
		client, _ := connect(t, &Dialer{Observer: &Observer{Dead: func(DeadInfo) { told = true }}})
		own := errors.New("net's own")
		client.end(func() *health.DeadError { return &health.DeadError{Cause: cause, Err: own} })
		err := client.fail(own)
		if told != want || health.IsDead(err) != want {
			t.Errorf("%v: told %v, returned %v", cause, told, err)
		}
	}
}

func TestEveryVerdictNamesThePeerAndTheWindow(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, client *Conn, server *net.TCPConn){
		"a close here":   func(_ *testing.T, client *Conn, _ *net.TCPConn) { client.Close() },
		"a FIN, watched": func(_ *testing.T, _ *Conn, server *net.TCPConn) { server.Close() },
		"a FIN, read": func(t *testing.T, client *Conn, server *net.TCPConn) {
			server.Close()
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
		},
		"a reset, watched": func(_ *testing.T, _ *Conn, server *net.TCPConn) { reset(server) },
		"a reset, read": func(t *testing.T, client *Conn, server *net.TCPConn) {
			reset(server)
			if _, err := client.Read(make([]byte, 1)); !health.IsDead(err) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := connect(t, new(Dialer))
			peer, got := server.LocalAddr().String(), make(told, 10)
			defer client.Watch(got.tell)()
			end(t, client, server)
			dead := got.next(t)
			earliest, latest := client.Report().Window()
			if dead.Peer.String() != peer || dead.WindowEarliest != earliest || dead.WindowLatest != latest || latest == 0 {
				t.Errorf("%+v", dead)
			}
		})
	}
}

// A socket of which the kernel does not tell whether the peer has closed its side.
type mute struct{ syscall.RawConn }

func (mute) Control(func(fd uintptr)) error { return errors.ErrUnsupported }

// The watch takes the error, and a read under way is left with io.EOF, before anybody
// has been told why.
// Where nobody watches, a write just before the kernel's verdict on an idle connection
// begins the user timeout.
func TestAnUnwatchedSilenceThatIsWrittenToEndsWithinFiveThirds(t *testing.T) {
	t.Parallel()
	on := sockopt.Platform{GOOS: "linux", Major: 6, Minor: 18}
	for _, seconds := range []time.Duration{3, 5, 10, 30, 60, 300} {
		within := seconds * time.Second
		plan, err := on.PlanUnwatched(sockopt.Within(within))
		if err != nil {
			t.Fatal(err)
		}
		_, idle := plan.Effective.Window()
		if worst := idle + plan.Effective.UserTimeout; plan.Effective.UserTimeout <= 0 || worst > within*5/3 {
			t.Errorf("%v: %v, of %v", within, worst, plan.Effective)
		}
	}
}

func TestAnEndThatIsBeingExplainedIsNotTakenForTheFIN(t *testing.T) {
	t.Parallel()
	c := &Conn{socket: mute{}}
	c.verdict.done = make(chan struct{})
	looking, look, saw := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	go c.verdict.settle(func() *health.DeadError {
		close(looking)
		<-look
		return &health.DeadError{Cause: health.KeepAliveTimeout}
	})
	<-looking
	go func() { saw <- c.readToFIN() }()
	select {
	case fin := <-saw:
		t.Errorf("decided before the watch has: FIN %v", fin)
		close(look)
		return
	case <-time.After(50 * time.Millisecond): // one that does not wait is quicker
	}
	close(look)
	if <-saw {
		t.Error("a death was taken for the peer's FIN")
	}
}
