//go:build linux && !hale_sweep

package hale

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// callsFromHooks are all that a callback may want of its connection.
var callsFromHooks = map[string]func(c *Conn){
	"Close":       func(c *Conn) { c.Close() },
	"CloseWrite":  func(c *Conn) { c.CloseWrite() },
	"Read":        func(c *Conn) { c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); c.Read(make([]byte, 1)) },
	"Write":       func(c *Conn) { c.Write([]byte("x")) },
	"ReadFrom":    func(c *Conn) { c.ReadFrom(io.LimitReader(zeros{}, 1)) },
	"Watch":       func(c *Conn) { c.Watch(func(*health.DeadError) {})() },
	"Ping":        func(c *Conn) { pingBriefly(c) },
	"Err, State":  func(c *Conn) { c.Err(); c.State(); c.Info(); c.Report(); c.Done() },
	"SetOptions":  func(c *Conn) { c.SetOptions(sockopt.Within(5 * time.Second)) },
	"SyscallConn": func(c *Conn) { takeError(c) },
	"another dial": func(c *Conn) {
		if other, err := Dial("tcp", c.RemoteAddr().String()); err == nil {
			other.Close()
		}
	},
	"a panic that is recovered": func(*Conn) { defer func() { recover() }(); panic("oh") },
	"a block":                   func(*Conn) { time.Sleep(2 * time.Second) },
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func pingBriefly(c *Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	c.Ping(ctx)
}

// hooked has call made once by the hook, of the connection that the hook is about.
func hooked(hook string, call func(c *Conn)) (o *Observer, made <-chan struct{}, watch func(c *Conn)) {
	done := make(chan struct{})
	var once sync.Once
	from := func(name string, c *Conn) {
		if name == hook && c != nil {
			once.Do(func() { call(c); close(done) })
		}
	}
	return &Observer{
		DialDone:  func(_ context.Context, i DialDoneInfo) { from("DialDone", i.Conn) },
		Suspect:   func(i SuspectInfo) { from("Suspect", i.Conn) },
		Recovered: func(i RecoveredInfo) { from("Recovered", i.Conn) },
		Dead:      func(i DeadInfo) { from("Dead", i.Conn) },
		Closed:    func(i ClosedInfo) { from("Closed", i.Conn) },
	}, done, func(c *Conn) { c.Watch(func(*health.DeadError) { from("Watch", c) }) }
}

// hookEvents make each hook be called, the way that the watch does.
var hookEvents = map[string]func(t *testing.T, c *Conn, peer *net.TCPConn){
	"DialDone": func(*testing.T, *Conn, *net.TCPConn) {},
	"Watch":    func(_ *testing.T, _ *Conn, peer *net.TCPConn) { peer.CloseWrite() },
	"Dead":     func(_ *testing.T, _ *Conn, peer *net.TCPConn) { reset(peer) },
	"Closed":   func(_ *testing.T, c *Conn, _ *net.TCPConn) { go c.Close() },
	"Suspect":  func(t *testing.T, _ *Conn, peer *net.TCPConn) { testnet.Freeze(t, peer) },
	"Recovered": func(t *testing.T, c *Conn, peer *net.TCPConn) {
		thaw := testnet.Freeze(t, peer)
		awaitState(t, c, health.Suspect)
		thaw()
	},
}

func awaitState(t *testing.T, c *Conn, want health.State) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); c.State() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is %v, and never %v", c.State(), want)
		}
	}
}

// Whatever a callback calls, it returns, and the watch goes on meanwhile: a reset that
// has nothing to do with it is told.
func TestAnyCallFromAnyCallbackIsSafe(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for hook, happen := range hookEvents {
		for name, call := range callsFromHooks {
			t.Run(hook+"/"+name, func(t *testing.T) {
				t.Parallel()
				began := make(chan struct{})
				o, made, watch := hooked(hook, func(c *Conn) { close(began); call(c) })
				c, peer := connect(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second), Observer: o})
				watch(c)
				happen(t, c, peer)
				await(t, began, "the hook is never called")
				other, otherPeer := connect(t, new(Dialer))
				reset(otherPeer)
				await(t, other.Done(), "an unrelated reset is not told")
				await(t, made, "the call does not return")
			})
		}
	}
}

func await(t *testing.T, done <-chan struct{}, complaint string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		t.Fatal(complaint)
	}
}
