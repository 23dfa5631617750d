package health

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// quick is a Heartbeat for real time.
func quick() *Heartbeat {
	return &Heartbeat{Interval: 20 * time.Millisecond, Timeout: 300 * time.Millisecond, Probe: ping}
}

func await(t *testing.T, found deaths) *DeadError {
	t.Helper()
	select {
	case dead := <-found:
		return dead
	case <-time.After(10 * time.Second):
		t.Fatal("no death was reported")
		return nil
	}
}

// The application hangs, its kernel goes on acknowledging: nothing but a
// heartbeat finds it.
func TestAHungApplicationIsFoundBehindAKernelThatAnswers(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	hanging := make(chan struct{})
	go func() {
		buf := make([]byte, 1)
		for range 3 { // serves three requests
			if _, err := server.Read(buf); err != nil {
				return
			}
			_, _ = server.Write(buf)
		}
		close(hanging)
	}()
	found := make(deaths, 1)
	p := beginWith(t, quick(), client, found.add)
	<-hanging
	start := time.Now()
	dead := await(t, found)
	if d := time.Since(start); d < 300*time.Millisecond || d > 2*time.Second {
		t.Errorf("found after %v", d)
	}
	if dead.Cause != HeartbeatFailed || dead.Op != "heartbeat" || !errors.Is(dead, os.ErrDeadlineExceeded) {
		t.Errorf("dead: %v", dead)
	}
	if dead.Info.State != TCPEstablished || dead.Info.Unacked != 0 || dead.Silence != dead.Info.Silence() || dead.Silence <= 0 {
		t.Errorf("silence %v, info %+v", dead.Silence, dead.Info)
	}
	if err := Check(client); err != nil {
		t.Errorf("Check: %v, but the kernel is well", err)
	}
	p.Lock()
	defer p.Unlock()
	if _, err := client.Write([]byte("x")); err != nil { // no deadline is left behind
		t.Error(err)
	}
}

func TestAConnectionsOwnDeathIsReportedAsWhatItIs(t *testing.T) {
	t.Parallel()
	reset := func(c *net.TCPConn) { c.SetLinger(0); c.Close() }
	closed := func(c *net.TCPConn) { c.Close() }
	directly := func(c net.Conn) net.Conn { return c }
	covered := func(c net.Conn) net.Conn { return wrapped{wrapped{c}} }
	for _, test := range []struct {
		name string
		end  func(*net.TCPConn)
		wrap func(net.Conn) net.Conn
		want Cause
	}{
		{"RST", reset, directly, Reset},
		{"RST under wrappers", reset, covered, Reset},
		{"FIN", closed, directly, PeerClosed},
		{"FIN under wrappers", closed, covered, PeerClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			h := quick()
			h.Failures = 1000
			h.Probe = func(_ context.Context, c net.Conn) error { // nothing is sent, so that a FIN stays one
				_, err := c.Read(make([]byte, 1))
				return err
			}
			found := make(deaths, 1)
			test.end(server)
			beginWith(t, h, test.wrap(client), found.add)
			if dead := await(t, found); dead.Cause != test.want {
				t.Errorf("dead: %v", dead)
			}
		})
	}
}

func TestASocketThatItsOwnerClosedEndsThePulseWithoutACall(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	h := quick()
	p := begin(t, h, client)
	client.Close()
	<-p.beater.gone
}

func TestAStoppedProbeLeavesTheKernelsErrorToTheOwner(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	h, asked := quick(), make(chan struct{})
	h.Timeout = time.Hour
	h.Probe = func(ctx context.Context, _ net.Conn) error {
		close(asked)
		<-ctx.Done()
		server.SetLinger(0)
		server.Close()
		return ctx.Err()
	}
	p := begin(t, h, client)
	<-asked
	p.Stop()
	bound(t, client, 10*time.Second)
	if _, err := client.Read(make([]byte, 1)); Classify(err) != Reset {
		t.Errorf("read: %v", err)
	}
}
