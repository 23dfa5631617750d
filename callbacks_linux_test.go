//go:build linux && !hale_sweep

package hale

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/health/heartbeat"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// callsFromHooks are all that a callback may want of a connection.
var callsFromHooks = map[string]func(c *Conn){
	"Close":      func(c *Conn) { c.Close() },
	"Abort":      func(c *Conn) { c.Abort(hung) },
	"CloseWrite": func(c *Conn) { c.CloseWrite() },
	"CloseRead":  func(c *Conn) { c.CloseRead() },
	"Read":       func(c *Conn) { c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); c.Read(make([]byte, 1)) },
	"Write":      func(c *Conn) { c.Write([]byte("x")) },
	"ReadFrom":   func(c *Conn) { c.ReadFrom(io.LimitReader(zeros{}, 1)) },
	"WriteTo":    func(c *Conn) { c.SetDeadline(time.Now().Add(50 * time.Millisecond)); c.WriteTo(io.Discard) },
	"Watch":      func(c *Conn) { c.Watch(func(*health.DeadError) {})() },
	"Watch, and Close in it": func(c *Conn) {
		c.Watch(func(*health.DeadError) { c.Close() })
	},
	"deathwatch.Watch": func(c *Conn) {
		if stop, err := deathwatch.Watch(c, func(*health.DeadError) {}); err == nil {
			stop()
		}
	},
	"Ping": func(c *Conn) { pingBriefly(c) },
	"Err, State": func(c *Conn) {
		c.Err()
		c.State()
		c.Info()
		c.Report()
		c.Done()
		c.Unwatched()
	},
	"SetOptions": func(c *Conn) { c.SetOptions(sockopt.Within(5 * time.Second)) },
	"SetKeepAlive": func(c *Conn) {
		c.SetKeepAlive(true)
		c.SetKeepAlivePeriod(2 * time.Second)
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second})
	},
	"SetDeadline, SetLinger": func(c *Conn) { c.SetDeadline(time.Now().Add(time.Hour)); c.SetLinger(0); c.SetNoDelay(true) },
	"SyscallConn":            func(c *Conn) { takeError(c) },
	"File": func(c *Conn) {
		if file, err := c.File(); err == nil {
			file.Close()
		}
	},
	"Check, Diagnose": func(c *Conn) { health.Check(c); health.Diagnose(c, io.EOF); health.Diagnose(c.NetConn(), io.EOF) },
	"From, Adopt": func(c *Conn) {
		From(c.NetConn())
		new(Dialer).Adopt(c)
		if other, err := new(Dialer).Adopt(c.NetConn()); err == nil { // the watch of c is over
			other.Close()
		}
	},
	"another dial": func(c *Conn) {
		if other, err := Dial("tcp", c.RemoteAddr().String()); err == nil {
			other.Close()
		}
	},
	"another listener, and a wait for Done": func(*Conn) {
		if other := acceptOne(); other != nil {
			other.Close()
			<-other.Done()
		}
	},
	"a collection of garbage":   func(*Conn) { collectGarbage() },
	"a panic that is recovered": func(*Conn) { defer func() { recover() }(); panic("oh") },
	"the goroutine's end":       func(*Conn) { runtime.Goexit() },
	"a block":                   func(*Conn) { time.Sleep(2 * time.Second) },
}

// acceptOne dials a listener of its own.
func acceptOne() *Conn {
	l, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil
	}
	defer l.Close()
	c, err := Dial("tcp", l.Addr().String())
	if err != nil {
		return nil
	}
	if accepted, err := l.Accept(); err == nil {
		accepted.Close()
	}
	return c.(*Conn)
}

// collectGarbage does so now and then: it stops all that runs beside it.
func collectGarbage() {
	collecting.Lock()
	defer collecting.Unlock()
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
}

var collecting sync.Mutex // held while garbage is collected, and a while after

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func pingBriefly(c *Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	c.Ping(ctx)
}

// A hook is a place where a program's function is called, with the connection that it
// is about; a nil one is none.
type hook struct {
	observe func(call func(c *Conn)) *Observer // for the dialer of the connection
	// happen makes it be called; the test's goroutine does not run it, for a hook may end
	// that. c was dialled with the Observer.
	happen func(t *testing.T, c *Conn, peer *net.TCPConn, call func(c *Conn))
}

func freezeIt(t *testing.T, _ *Conn, peer *net.TCPConn, _ func(*Conn)) { testnet.Freeze(t, peer) }

func resetIt(_ *testing.T, _ *Conn, peer *net.TCPConn, _ func(*Conn)) { reset(peer) }

// dialledWith dials c's peer's kind anew, by a dialer with the observer.
func dialledWith(t *testing.T, o *Observer, nd *net.Dialer) {
	l := testnet.Listen(t)
	if c, err := (&Dialer{Observer: o, NetDialer: nd}).Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
	}
}

// acceptedWith accepts a connection by a listener with the observer.
func acceptedWith(t *testing.T, lc *ListenConfig) {
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	if c, err := l.Accept(); err == nil {
		c.Close()
	}
}

var hooksOfAll = map[string]hook{
	"DialStart": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		dialledWith(t, &Observer{DialStart: func(context.Context, DialStartInfo) context.Context { call(c); return nil }}, nil)
	}},
	"DialDone": {happen: func(t *testing.T, _ *Conn, _ *net.TCPConn, call func(*Conn)) {
		dialledWith(t, &Observer{DialDone: func(_ context.Context, i DialDoneInfo) { call(i.Conn) }}, nil)
	}},
	"Control of a dial": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		dialledWith(t, nil, &net.Dialer{Control: func(string, string, syscall.RawConn) error { call(c); return nil }})
	}},
	"Control of a listener": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		acceptedWith(t, &ListenConfig{NetListenConfig: &net.ListenConfig{Control: func(string, string, syscall.RawConn) error { call(c); return nil }}})
	}},
	"Accepted": {happen: func(t *testing.T, _ *Conn, _ *net.TCPConn, call func(*Conn)) {
		acceptedWith(t, &ListenConfig{Observer: &Observer{Accepted: func(i AcceptedInfo) { call(i.Conn) }}})
	}},
	"Suspect": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Suspect: func(i SuspectInfo) { call(i.Conn) }} },
		happen:  freezeIt,
	},
	"Recovered": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Recovered: func(i RecoveredInfo) { call(i.Conn) }} },
		happen: func(t *testing.T, c *Conn, peer *net.TCPConn, _ func(*Conn)) {
			thaw := testnet.Freeze(t, peer)
			eventually(t, func() bool { return c.State() == health.Suspect })
			thaw()
		},
	},
	"Sampled": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Sampled: func(i SampledInfo) { call(i.Conn) }} },
		happen:  func(*testing.T, *Conn, *net.TCPConn, func(*Conn)) {},
	},
	"Dead": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Dead: func(i DeadInfo) { call(i.Conn) }} },
		happen:  resetIt,
	},
	"Dead, in a Read": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Dead: func(i DeadInfo) { call(i.Conn) }} },
		happen: func(_ *testing.T, c *Conn, peer *net.TCPConn, _ func(*Conn)) {
			time.AfterFunc(10*time.Millisecond, func() { reset(peer) })
			c.Read(make([]byte, 1))
		},
	},
	"Dead, in an Adopt": {happen: func(t *testing.T, _ *Conn, _ *net.TCPConn, call func(*Conn)) {
		plain, far := testnet.Pair(t)
		reset(far)
		awaitInfo(t, plain, func(i health.Info) bool { return i.State == health.TCPClose })
		c, err := (&Dialer{Observer: &Observer{Dead: func(i DeadInfo) { call(i.Conn) }}}).Adopt(plain)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
	}},
	"Closed": {
		observe: func(call func(*Conn)) *Observer { return &Observer{Closed: func(i ClosedInfo) { call(i.Conn) }} },
		happen:  func(_ *testing.T, c *Conn, _ *net.TCPConn, _ func(*Conn)) { c.Close() },
	},
	"Dropped": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		l := testnet.Listen(t)
		told := make(chan struct{})
		(&Dialer{Observer: &Observer{Dropped: func(DroppedInfo) { close(told); call(c) }}}).Dial("tcp", l.Addr().String())
		eventually(t, func() bool {
			collectGarbage()
			select {
			case <-told:
				return true
			default:
				return false
			}
		})
	}},
	"one of two observers": {
		observe: func(call func(*Conn)) *Observer {
			return Tee(&Observer{Dead: func(i DeadInfo) { call(i.Conn) }}, &Observer{Dead: func(i DeadInfo) { i.Conn.Close() }})
		},
		happen: resetIt,
	},
	"Watch, of a FIN": {happen: func(_ *testing.T, c *Conn, peer *net.TCPConn, call func(*Conn)) {
		c.Watch(func(*health.DeadError) { call(c) })
		peer.CloseWrite()
	}},
	"Watch, of a death": {happen: func(_ *testing.T, c *Conn, peer *net.TCPConn, call func(*Conn)) {
		c.Watch(func(*health.DeadError) { call(c) })
		reset(peer)
	}},
	"Watch, of what was before": {happen: func(t *testing.T, c *Conn, peer *net.TCPConn, call func(*Conn)) {
		reset(peer)
		waitDone(t, c)
		c.Watch(func(*health.DeadError) { call(c) })
	}},
	"Watch, which stops itself": {happen: func(_ *testing.T, c *Conn, peer *net.TCPConn, call func(*Conn)) {
		var stop func()
		set := make(chan struct{})
		stop = c.Watch(func(*health.DeadError) { <-set; stop(); call(c); stop() })
		close(set)
		reset(peer)
	}},
	"Watch of a plain connection": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		plain, far := testnet.Pair(t)
		stop, err := deathwatch.Watch(plain, func(*health.DeadError) { call(c) })
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(stop)
		reset(far)
	}},
	"Done": {happen: func(_ *testing.T, c *Conn, peer *net.TCPConn, call func(*Conn)) {
		reset(peer)
		<-c.Done()
		call(c)
	}},
	"a heartbeat's probe": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		beat(t, c, func(context.Context, net.Conn) error { call(c); return nil }, nil)
	}},
	"a heartbeat's end": {happen: func(t *testing.T, c *Conn, _ *net.TCPConn, call func(*Conn)) {
		beat(t, c, func(context.Context, net.Conn) error { return errors.New("hung") }, func() { call(c) })
	}},
}

func beat(t *testing.T, c *Conn, probe func(context.Context, net.Conn) error, dead func()) {
	p := &heartbeat.Prober{Interval: 10 * time.Millisecond, Timeout: time.Second, Probe: probe}
	pulse, err := p.Start(c, func(*health.DeadError) {
		if dead != nil {
			dead()
		}
	})
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(pulse.Stop)
}

// Whatever a callback calls, it returns, and the watch goes on meanwhile: a reset that
// has nothing to do with it is told.
func TestAnyCallFromAnyCallbackIsSafe(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for name, hook := range hooksOfAll {
		for what, call := range callsFromHooks {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				began, made := make(chan struct{}), make(chan struct{})
				var once sync.Once
				callOnce := func(c *Conn) {
					if c != nil {
						once.Do(func() { defer close(made); close(began); call(c) })
					}
				}
				d := &Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
				if hook.observe != nil {
					d.Observer = hook.observe(callOnce)
				}
				c, peer := connect(t, d)
				happened := make(chan struct{})
				go func() { defer close(happened); hook.happen(t, c, peer, callOnce) }()
				await(t, began, "the hook is never called")
				other, otherPeer := connect(t, new(Dialer))
				reset(otherPeer)
				await(t, other.Done(), "an unrelated reset is not told")
				await(t, made, "the call does not return")
				await(t, happened, "what it was called by does not return")
			})
		}
	}
}

func TestEveryHookIsAmongThoseThatMayCall(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[Observer]().Fields() {
		if _, ok := hooksOfAll[field.Name]; !ok {
			t.Error("no row for", field.Name)
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

// A hook that panics, in a call whose program recovers, or ends its goroutine, keeps
// nothing from the others.
func TestAHookThatDoesNotReturnKeepsNothingFromOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("oh") }, "the goroutine's end": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed, watched := make(chan struct{}), make(chan struct{}, 2)
			c, peer := connect(t, &Dialer{Observer: &Observer{
				Dead:   func(DeadInfo) { end() },
				Closed: func(ClosedInfo) { close(closed); end() },
			}})
			c.stopWatch() // which would tell on goroutines of its own
			c.Watch(func(*health.DeadError) { watched <- struct{}{}; end() })
			c.Watch(func(*health.DeadError) { watched <- struct{}{} })
			reset(peer)
			recovering(func() { c.Read(make([]byte, 1)) })
			if len(watched) != 2 || health.Classify(c.Err()) != health.Reset || c.calls.Load() != 0 {
				t.Errorf("%d were told, %v, %d calls are under way", len(watched), c.Err(), c.calls.Load())
			}
			recovering(func() { c.Close() })
			await(t, closed, "Closed is not told")
			if _, err := c.Read(make([]byte, 1)); err != c.Err() {
				t.Error(err)
			}
		})
		t.Run(name+", in a Close", func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			c, _ := connect(t, &Dialer{Observer: &Observer{Closed: func(ClosedInfo) { close(closed) }}})
			c.Watch(func(*health.DeadError) { end() })
			recovering(func() { c.Close() })
			await(t, closed, "Closed is not told")
		})
		t.Run(name+", before a connection is returned", func(t *testing.T) {
			t.Parallel()
			lc := &ListenConfig{Observer: &Observer{Accepted: func(AcceptedInfo) { end() }}}
			l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var dialled *Conn
			d := &Dialer{Observer: &Observer{DialDone: func(_ context.Context, i DialDoneInfo) { dialled = i.Conn; end() }}}
			recovering(func() { d.Dial("tcp", l.Addr().String()) })
			if _, err := dialled.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Error("what was dialled is open:", err)
			}
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for range 2 { // the dialled one, and this one
				recovering(func() { l.Accept() })
			}
			bound(t, client, 10*time.Second)
			if _, err := client.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				t.Error("what was accepted is open:", err)
			}
		})
	}
}

// recovering runs f, which may panic or end its goroutine.
func recovering(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { recover() }()
		f()
	}()
	<-done
}
