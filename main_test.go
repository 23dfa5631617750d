package hale

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/tcpretries"
	"example.com/hale/sockopt"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// quick gives up an idle connection, and unacknowledged data, after about two
// seconds.
var quick = sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1}

// held is what the kernel holds of a plan for this machine, on a connection that
// stands.
func held(t testing.TB, k sockopt.KeepAlive) sockopt.KeepAlive {
	t.Helper()
	plan, err := planFor(k, tcpretries.Setting())
	if err != nil {
		t.Fatal(err)
	}
	h := plan.plan.Effective
	if runtime.GOOS == "linux" { // one option for both
		h.UserTimeout = max(h.UserTimeout, h.StallTimeout, 0)
		h.StallTimeout = h.UserTimeout
	}
	if h.Pace < 0 && runtime.GOOS == "linux" {
		h.Pace = systemPace(t)
	}
	return h
}

// systemPace is what a socket has if nobody has set it: -1 where the kernel has none.
func systemPace(t testing.TB) time.Duration {
	t.Helper()
	plan, err := sockopt.Current().Plan(sockopt.KeepAlive{Pace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Effective.Pace > 0 {
		return 120 * time.Second
	}
	return -1
}

// connect dials a listener of its own and returns both ends.
func connect(t testing.TB, d *Dialer) (client *Conn, server *net.TCPConn) {
	t.Helper()
	l := testnet.Listen(t)
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return c.(*Conn), server
}

// bound gives up on calls that block for longer than any case here may take.
func bound(t testing.TB, c net.Conn, d time.Duration) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

func asDead(t testing.TB, err error) *health.DeadError {
	t.Helper()
	var dead *health.DeadError
	if !errors.As(err, &dead) {
		t.Fatalf("%v (%T) is no DeadError", err, err)
	}
	return dead
}

// waitDone waits for c's death or closing, within reason.
func waitDone(t testing.TB, c *Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case <-c.Done():
	case <-ctx.Done():
		t.Fatal("the connection never ended")
	}
}
