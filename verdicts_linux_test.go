//go:build linux && !hale_sweep

package hale

import (
	"cmp"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// What a connection's end is called depends on what happened to it, not on
// which call met the error. verdictBudget is within what time it must be known.
const verdictBudget = 3 * time.Second

// A verdict is one row of the table: in a state something happens, somebody
// meets it, and all agree.
type verdictRow struct {
	state, event string
	want         health.Cause
	within       time.Duration // 0 is at once; with the window shut, four window probes
	open         bool          // Done stays open: half-close is legal
}

var verdicts = []verdictRow{
	{state: "idle", event: "gone", want: health.KeepAliveTimeout, within: verdictBudget},
	{state: "idle", event: "gone, then written to", want: health.SendTimeout, within: verdictBudget},
	{state: "idle", event: "gone, then CloseWrite", want: health.SendTimeout, within: verdictBudget},
	{state: "idle", event: "reset", want: health.Reset},
	{state: "idle", event: "closed", want: health.PeerClosed, open: true},
	{state: "in flight", event: "gone", want: health.KeepAliveTimeout, within: verdictBudget},
	{state: "in flight", event: "reset", want: health.Reset},
	{state: "window shut", event: "gone", want: health.SendTimeout, within: verdictBudget + 1500*time.Millisecond},
	{state: "window shut", event: "reset", want: health.Reset},
	{state: "window shut", event: "closed", want: health.Reset}, // what it had not read is lost
	{state: "closed for writing", event: "gone", want: health.KeepAliveTimeout, within: verdictBudget},
	{state: "closed for writing", event: "reset", want: health.Reset},
	{state: "closed by the peer", event: "gone", want: health.KeepAliveTimeout, within: verdictBudget},
	{state: "closed by the peer", event: "gone, then written to", want: health.SendTimeout, within: verdictBudget},
	{state: "closed by the peer", event: "gone, then CloseWrite", want: health.SendTimeout, within: verdictBudget},
}

var verdictStates = map[string]func(t *testing.T, c *Conn, peer *net.TCPConn){
	"idle": func(*testing.T, *Conn, *net.TCPConn) {},
	"in flight": func(t *testing.T, c *Conn, _ *net.TCPConn) { // acknowledged, and no reply
		if _, err := c.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		awaitInfo(t, c, func(i health.Info) bool { return i.Unacked == 0 })
	},
	"window shut": func(t *testing.T, c *Conn, _ *net.TCPConn) {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for err := error(nil); err == nil; {
			_, err = c.Write(make([]byte, 1<<20))
		}
		c.SetWriteDeadline(time.Time{})
	},
	"closed for writing": func(t *testing.T, c *Conn, _ *net.TCPConn) {
		c.CloseWrite()
		awaitInfo(t, c, func(i health.Info) bool { return i.State.String() == "FIN_WAIT2" })
	},
	"closed by the peer": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		peer.CloseWrite()
		// A frozen peer goes on sending a FIN that is not acknowledged.
		awaitInfo(t, peer, func(i health.Info) bool { return i.State.String() == "FIN_WAIT2" })
	},
}

var verdictEvents = map[string]func(t *testing.T, c *Conn, peer *net.TCPConn){
	"gone":                  func(t *testing.T, _ *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer) },
	"gone, then written to": func(t *testing.T, c *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer); c.Write([]byte("x")) },
	"gone, then CloseWrite": func(t *testing.T, c *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer); c.CloseWrite() },
	"reset":                 func(_ *testing.T, _ *Conn, peer *net.TCPConn) { reset(peer) },
	"closed":                func(_ *testing.T, _ *Conn, peer *net.TCPConn) { peer.Close() },
}

// awaitInfo polls the kernel, which makes no event of such things.
func awaitInfo(t *testing.T, c syscall.Conn, is func(health.Info) bool) {
	t.Helper()
	socket, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		info, err := health.Inspect(socket)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("it never came to that: %+v, %v", info, err)
		}
		if is(info) {
			return
		}
	}
}

// Whoever may meet the end of a connection: a blocked Read, one that comes
// later, or nobody but the watch.
var verdictWitnesses = map[string]func(c *Conn) <-chan error{
	"nobody": func(*Conn) <-chan error { return nil },
	"a blocked Read": func(c *Conn) <-chan error {
		met := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, readerOnly{c})
			met <- err
		}()
		return met
	},
}

// readerOnly keeps io.Copy from splicing.
type readerOnly struct{ io.Reader }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for _, row := range verdicts {
		for by, meet := range verdictWitnesses {
			t.Run(row.state+"/"+row.event+"/"+by, func(t *testing.T) {
				t.Parallel()
				row.check(t, meet)
			})
		}
	}
}

func (row verdictRow) check(t *testing.T, meet func(c *Conn) <-chan error) {
	c, peer := connect(t, &Dialer{KeepAlive: sockopt.Within(verdictBudget)})
	verdictStates[row.state](t, c, peer)
	met := meet(c)
	start := time.Now()
	verdictEvents[row.event](t, c, peer)
	row.await(t, c)
	if after := time.Since(start); after > cmp.Or(row.within, 500*time.Millisecond)+100*time.Millisecond {
		t.Errorf("known after %v", after) // and a busy machine may be late by a little
	}
	if dead := asDead(t, c.Err()); dead.Cause != row.want {
		t.Errorf("%v, want %v: %+v", dead, row.want, dead.Info)
	}
	if isDone := c.verdict.final() != nil; isDone == row.open {
		t.Errorf("Done is closed: %v", isDone)
	}
	row.agrees(t, c, met)
}

// await waits until the connection knows.
func (row verdictRow) await(t *testing.T, c *Conn) {
	t.Helper()
	if !row.open {
		waitDone(t, c)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); c.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection never knew")
		}
	}
}

// agrees holds every call to the same verdict: the one that met the end, and
// those after it. An orderly end is io.EOF to readers, which io.Copy swallows.
func (row verdictRow) agrees(t *testing.T, c *Conn, met <-chan error) {
	t.Helper()
	errs := map[string]error{}
	if met != nil {
		errs["the one that was blocked"] = <-met
	}
	if !row.open {
		_, errs["Read"] = io.Copy(io.Discard, readerOnly{c})
		_, errs["Write"] = c.Write([]byte("x"))
	}
	for call, err := range errs {
		var dead *health.DeadError
		switch {
		case row.state == "closed by the peer" && call != "Write" && err == nil:
		case row.open && err == nil:
		case !errors.As(err, &dead) || dead != c.Err():
			t.Errorf("%s: %v, want %v", call, err, c.Err())
		}
	}
}
