package heartbeat_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
	"example.com/hale/internal/lab/testnet"
)

// dial returns a hale.Conn and its peer.
func dial(t *testing.T) (*hale.Conn, *net.TCPConn) {
	t.Helper()
	l := testnet.Listen(t)
	c, err := (&hale.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	peer, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return c.(*hale.Conn), peer
}

// covered hides what is under it from a type assertion, but not from NetConn.
type covered struct{ net.Conn }

func (c covered) NetConn() net.Conn { return c.Conn }

func TestAHeartbeatReportsTheVerdictOfAConn(t *testing.T) {
	t.Parallel()
	conn, peer := dial(t)
	r := &heartbeat.Prober{Interval: 10 * time.Millisecond, Probe: func(_ context.Context, c net.Conn) error {
		_, err := c.Read(make([]byte, 1))
		if err != nil {
			err = errors.New("bad connection") // as drivers like to put it
		}
		return err
	}}
	found := make(chan *health.DeadError, 1)
	peer.SetLinger(0)
	peer.Close()
	p, err := r.Start(covered{conn}, func(e *health.DeadError) { found <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if dead := <-found; dead != conn.Err() || dead.Cause != health.Reset {
		t.Errorf("dead: %v, but Err: %v", dead, conn.Err())
	}
}

func TestAHeartbeatRestoresTheDeadlinesOfAConn(t *testing.T) {
	t.Parallel()
	conn, _ := dial(t)
	read, write := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	conn.SetReadDeadline(read)
	conn.SetWriteDeadline(write)
	asked := make(chan struct{}, 1)
	r := &heartbeat.Prober{Interval: 10 * time.Millisecond, Probe: func(context.Context, net.Conn) error {
		if r, w := conn.Meter().Deadlines(); !r.Equal(w) || r.After(time.Now().Add(time.Minute)) {
			t.Errorf("deadlines during a probe: %v and %v", r, w)
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil
	}}
	p, err := r.Start(covered{conn}, func(e *health.DeadError) { t.Errorf("dead: %v", e) })
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	p.Stop()
	if r, w := conn.Meter().Deadlines(); !r.Equal(read) || !w.Equal(write) {
		t.Errorf("deadlines %v and %v, want %v and %v", r, w, read, write)
	}
}
