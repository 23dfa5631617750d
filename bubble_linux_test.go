//go:build linux && !hale_sweep

package hale

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/sockopt"
)

// What is made in a bubble must not be touched from outside: the runtime ends the
// process for it.
func TestAConnOfABubbleIsNotWatchedAndSaysSo(t *testing.T) {
	watched, peer := connect(t, new(Dialer)) // so that there is a watch
	synctest.Test(t, func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := (&Dialer{Strict: true}).Dial("tcp", l.Addr().String()); !errors.Is(err, errors.ErrUnsupported) {
			t.Error("strict:", err)
		}
		if strictly, err := l.Accept(); err == nil {
			strictly.Close()
		}
		conn, err := Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := conn.(*Conn)
		if err := c.Unwatched(); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if got := c.Report().Got; got.UserTimeout == 0 {
			t.Errorf("nobody bounds what is in flight: %v", got)
		}
		if report, err := c.SetOptions(sockopt.Within(10 * time.Second)); err != nil || report.Got.UserTimeout == 0 {
			t.Errorf("set anew: %v, %v", report.Got, err)
		}
		if _, err := deathwatch.Watch(c.TCPConn, func(*health.DeadError) {}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error("a watch of the plain one:", err)
		}
		told := make(chan *health.DeadError, 1)
		defer c.Watch(func(e *health.DeadError) { told <- e })()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		reset(server.(*net.TCPConn))
		if _, err := c.Read(make([]byte, 1)); health.Classify(err) != health.Reset {
			t.Error(err)
		}
		if dead := <-told; dead.Cause != health.Reset || c.Err() != dead {
			t.Error(dead)
		}
		<-c.Done()
	})
	reset(peer)
	waitDone(t, watched)
}

func TestAConnFromOutsideWorksInABubble(t *testing.T) {
	c, peer := connect(t, new(Dialer))
	busy, busyPeer := connect(t, new(Dialer))
	began := make(chan struct{})
	stop := busy.Watch(func(*health.DeadError) {
		close(began)
		time.Sleep(100 * time.Millisecond)
	})
	reset(busyPeer)
	<-began
	later, laterPeer := connect(t, new(Dialer))
	defer func() { // the watch is outside, too
		reset(laterPeer)
		waitDone(t, later)
	}()
	synctest.Test(t, func(t *testing.T) {
		stop() // which waits for what runs outside
		later.Done()
		if err := c.Unwatched(); err != nil {
			t.Error(err)
		}
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Error(err)
		}
		c.Close()
		<-c.Done()
		if err := c.Err(); health.Classify(err) != health.LocalClosed {
			t.Error(err)
		}
	})
}

// What a function of Watch touches was made in the bubble, as a rule.
func TestAWatchThatIsMadeInABubbleIsToldThere(t *testing.T) {
	c, peer := connect(t, new(Dialer))
	stopped, stoppedPeer := connect(t, new(Dialer))
	closed, _ := connect(t, new(Dialer))
	synctest.Test(t, func(t *testing.T) {
		told := make(chan health.Cause)
		tell := func(e *health.DeadError) { told <- e.Cause }
		c.Watch(tell) // and never stopped
		peer.CloseWrite()
		if cause := <-told; cause != health.PeerClosed {
			t.Error("of the FIN:", cause)
		}
		reset(peer)
		if cause := <-told; cause != health.Reset {
			t.Error("of the reset:", cause)
		}
		c.Watch(func(e *health.DeadError) { go tell(e) })
		if cause := <-told; cause != health.Reset {
			t.Error("of what was before:", cause)
		}
		closed.Watch(tell)
		closed.Close()
		if cause := <-told; cause != health.LocalClosed {
			t.Error("of a Close:", cause)
		}
		stopped.Watch(tell)()
		reset(stoppedPeer)
		select {
		case cause := <-told:
			t.Error("after its stop:", cause)
		case <-time.After(time.Hour):
		}
	})
	waitDone(t, stopped)
}

func TestAWatchThatNobodyStopsLetsItsBubbleEnd(t *testing.T) {
	c, peer := connect(t, new(Dialer))
	synctest.Test(t, func(*testing.T) { c.Watch(func(*health.DeadError) { t.Error("told") }) })
	reset(peer)
	waitDone(t, c)
}
