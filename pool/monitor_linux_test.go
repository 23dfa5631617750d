package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/twin"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// moody answers "pong" to the line "ping", unless it hangs, and nothing to others.
// Its kernel acknowledges in any case.
type moody struct {
	addr    string
	hung    atomic.Bool
	ignored atomic.Int32 // pings

	mu    sync.Mutex // guards conns
	conns map[string]net.Conn
}

func newMoody(t *testing.T) *moody {
	l := testnet.Listen(t)
	m := &moody{addr: l.Addr().String(), conns: make(map[string]net.Conn)}
	var all sync.WaitGroup
	all.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			m.mu.Lock()
			m.conns[c.RemoteAddr().String()] = c
			m.mu.Unlock()
			all.Go(func() { m.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		m.closeAll() // the clients of what is frozen cannot
		all.Wait()
	})
	return m
}

func (m *moody) closeAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
}

func (m *moody) serve(c net.Conn) {
	defer c.Close()
	for s := bufio.NewScanner(c); s.Scan(); {
		switch {
		case s.Text() != "ping":
		case m.hung.Load():
			m.ignored.Add(1)
		default:
			fmt.Fprintln(c, "pong")
		}
	}
}

// say has the server send something on the connection of that client.
func (m *moody) say(client net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(m.conns[client.LocalAddr().String()], "row")
}

// openPinging is what a Config's Open may be.
func openPinging(ctx context.Context, c net.Conn) (net.Conn, error) { return c, pingLine(ctx, c) }

func pingLine(_ context.Context, c net.Conn) error {
	line, err := askUnasked(c)
	if err == nil && line != "pong" {
		err = errors.New(line)
	}
	return err
}

// The server's kernel goes on, and acknowledges what is sent.
func TestAServerThatHangsUnderLoadIsFoundByTheMonitor(t *testing.T) {
	t.Parallel()
	const after, timeout, conns = 800 * time.Millisecond, 1500 * time.Millisecond, 4
	const latest = after + after/4 + 2*timeout
	m := newMoody(t)
	var asked atomic.Int32
	p := newPool(t, pool.Config[net.Conn]{
		Dial: dialer(new(hale.Dialer), m.addr), Open: openPinging, MaxConns: conns,
		Check: func(ctx context.Context, c net.Conn) error {
			asked.Add(1)
			return pingLine(ctx, c)
		},
		CheckTimeout: timeout, Monitor: pool.Monitor{After: after},
	})
	var held []pool.Conn[net.Conn]
	failed := make(chan error, conns)
	for range conns {
		c := acquire(t, p)
		v := c.Value()
		held = append(held, c)
		if _, err := fmt.Fprintln(v, "slow query"); err != nil {
			t.Fatal(err)
		}
	}
	heard := held[0].Value()
	for _, c := range held[1:] {
		v := c.Value()
		go func() {
			_, err := v.Read(make([]byte, 1))
			failed <- err
		}()
	}
	eventually(t, "an answer to the monitor", func() bool { return asked.Load() >= 3 })
	if st := p.Stats(); st.Deaths[health.HeartbeatFailed] > 0 || st.InUse != conns {
		t.Fatalf("while the server answers: %+v", st)
	}
	hung := time.Now()
	m.hung.Store(true)
	eventually(t, "an asking", func() bool { return m.ignored.Load() > 0 })
	m.say(heard)
	for range conns - 1 {
		select {
		case err := <-failed:
			dead, ok := errors.AsType[*health.DeadError](err)
			if !ok || dead.Cause != health.HeartbeatFailed || dead.Timeout() || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("not noticed: %+v", p.Stats())
		}
	}
	const slow = 500 * time.Millisecond // of a machine that is busy
	if d := time.Since(hung); d > latest+slow {
		t.Errorf("noticed after %v, want %v", d, latest)
	} else {
		t.Logf("noticed after %v of %v", d, latest)
	}
	if st := p.Stats(); st.Deaths[health.HeartbeatFailed] != conns-1 || !st.Down {
		t.Errorf("%+v", st)
	}
	m.hung.Store(false)
	if line, err := bufio.NewReader(heard).ReadString('\n'); line != "row\n" || err != nil {
		t.Errorf("what was heard: %q, %v", line, err)
	}
	for _, c := range held {
		c.Release()
	}
	c := acquire(t, p)
	defer c.Release()
	if err := pingLine(t.Context(), c.Value()); err != nil {
		t.Error(err)
	}
}

// A connection waits for a slow reply all the while, and askings are under way
// when the process is stopped.
func TestAStandstillOfThisProcessIsNoHangOfTheServers(t *testing.T) {
	t.Parallel()
	if address, ok := twin.Role(t); ok {
		monitoringPoolThatIsStopped(t, address)
		return
	}
	p := twin.Start(t, twin.Echo(t, 200*time.Millisecond))
	p.Line()
	p.Stop()
	time.Sleep(standstill)
	p.Continue()
	if line := p.Line(); line != "0 deaths, 0 outages, 0 dials failed, 0 askings failed" {
		t.Error(line)
	}
	p.End()
}

func monitoringPoolThatIsStopped(t *testing.T, address string) {
	const conns = 8
	var checks, failed atomic.Int32
	p := newPool(t, pool.Config[net.Conn]{
		Dial: dialer(new(hale.Dialer), address), MaxConns: conns,
		Check: pingOf(&checks), CheckTimeout: 3 * time.Second,
		Monitor: pool.Monitor{After: 50 * time.Millisecond, Failures: 1},
		Observer: &pool.Observer{Heartbeat: func(i pool.HeartbeatInfo) {
			if i.Err != nil {
				failed.Add(1)
			}
		}},
	})
	for range conns {
		c := acquire(t, p)
		defer c.Release()
	}
	checked := func(n int32) func() bool {
		return func() bool { return checks.Load() >= n || failed.Load() > 0 }
	}
	eventually(t, "askings", checked(2))
	twin.StandStill(standstill-time.Second, "asking")
	eventually(t, "askings afterwards", checked(checks.Load()+5))
	twin.Say("%s, %d askings failed", faults(p.Stats()), failed.Load())
}

// When nothing gets through, it is the path or the machine: the connections find
// that out by themselves, within the time promised.
func TestAServerThatVanishesUnderLoadIsNotTakenForOneThatHangs(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	const conns = 2
	m := newMoody(t)
	var asked, failed atomic.Int32
	p := newPool(t, pool.Config[net.Conn]{
		Dial: dialer(&hale.Dialer{KeepAlive: sockopt.Within(5 * time.Second)}, m.addr), Open: openPinging, MaxConns: conns,
		Check: pingLine, CheckTimeout: 1500 * time.Millisecond, Monitor: pool.Monitor{After: 200 * time.Millisecond},
		Observer: &pool.Observer{Heartbeat: func(i pool.HeartbeatInfo) {
			asked.Add(1)
			if i.Err != nil {
				failed.Add(1)
			}
		}},
	})
	failures := make(chan error, conns)
	for range conns {
		c := acquire(t, p)
		defer c.Release()
		v := c.Value()
		go func() {
			_, err := v.Read(make([]byte, 1))
			failures <- err
		}()
	}
	eventually(t, "an answer to the monitor", func() bool { return asked.Load() > 0 })
	m.freeze(t)
	for range conns {
		if err := <-failures; health.Classify(err) != health.KeepAliveTimeout {
			t.Error(err)
		}
	}
	if failed.Load() == 0 {
		t.Error("nobody was asked meanwhile")
	}
}

func (m *moody) freeze(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		testnet.Freeze(t, c)
	}
}
