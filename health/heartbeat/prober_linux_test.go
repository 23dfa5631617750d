package heartbeat

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

// quick is a Prober for real time.
func quick() *Prober {
	return &Prober{Interval: 20 * time.Millisecond, Timeout: 300 * time.Millisecond, Probe: ping}
}

func await(t *testing.T, found deaths) *health.DeadError {
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
	if dead.Cause != health.HeartbeatFailed || dead.Op != "heartbeat" || !errors.Is(dead, os.ErrDeadlineExceeded) {
		t.Errorf("dead: %v", dead)
	}
	if dead.Info.State != health.TCPEstablished || dead.Info.Unacked != 0 || dead.Silence != dead.Info.Silence() || dead.Silence <= 0 {
		t.Errorf("silence %v, info %+v", dead.Silence, dead.Info)
	}
	if err := health.Check(client); err != nil {
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
		want health.Cause
	}{
		{"RST", reset, directly, health.Reset},
		{"RST under wrappers", reset, covered, health.Reset},
		{"FIN", closed, directly, health.PeerClosed},
		{"FIN under wrappers", closed, covered, health.PeerClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			r := quick()
			r.Failures = 1000
			r.Probe = func(_ context.Context, c net.Conn) error { // nothing is sent, so that a FIN stays one
				_, err := c.Read(make([]byte, 1))
				return err
			}
			found := make(deaths, 1)
			test.end(server)
			beginWith(t, r, test.wrap(client), found.add)
			if dead := await(t, found); dead.Cause != test.want {
				t.Errorf("dead: %v", dead)
			}
		})
	}
}

func TestASocketThatItsOwnerClosedEndsThePulseWithoutACall(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	r := quick()
	p := begin(t, r, client)
	client.Close()
	<-p.scheduler.ended
}

func TestAStoppedProbeLeavesTheKernelsErrorToTheOwner(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	r, asked := quick(), make(chan struct{})
	r.Timeout = time.Hour
	r.Probe = func(ctx context.Context, _ net.Conn) error {
		close(asked)
		<-ctx.Done()
		server.SetLinger(0)
		server.Close()
		return ctx.Err()
	}
	p := begin(t, r, client)
	<-asked
	p.Stop()
	client.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); health.Classify(err) != health.Reset {
		t.Errorf("read: %v", err)
	}
}
