package hale

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if c1, err = Dial("tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}

// A program and its library may both close: who comes second finds it closed, too.
func TestAConnectionIsClosedWhenAnyCloseHasReturned(t *testing.T) {
	t.Parallel()
	for range 300 {
		client, _ := connect(t, &Dialer{})
		begin := make(chan struct{})
		var open atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				<-begin
				client.Close()
				if client.Err() == nil {
					open.Add(1)
				}
			})
		}
		close(begin)
		all.Wait()
		if n := open.Load(); n > 0 {
			t.Fatalf("%d of 16 found no error after their Close", n)
		}
	}
}

func TestTheFirstFatalErrorIsKept(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{KeepAlive: quick})
	testnet.Freeze(t, server)
	bound(t, client, 10*time.Second)
	_, first := client.Read(make([]byte, 1))
	dead := asDead(t, first)
	if dead.Cause != health.KeepAliveTimeout || dead.Timeout() || dead.Silence < 1900*time.Millisecond {
		t.Errorf("first read: %v", first)
	}
	var op *net.OpError
	if !errors.Is(first, syscall.ETIMEDOUT) || !errors.As(first, &op) || op.Addr.String() != server.LocalAddr().String() {
		t.Errorf("%v has lost the kernel's error", first)
	}
	_, second := client.Read(make([]byte, 1))
	_, third := client.Write([]byte("x"))
	for i, err := range []error{second, third, client.Err()} {
		if err != first {
			t.Errorf("call %d after the death: %v", i+2, err)
		}
	}
	if client.State() != health.Dead {
		t.Errorf("state %v", client.State())
	}
	select {
	case <-client.Done():
	default:
		t.Error("Done is open")
	}
	client.Close()
	if _, err := client.Read(make([]byte, 1)); err != first || client.Err() != first {
		t.Errorf("after Close: %v, %v", err, client.Err())
	}
}

func TestReaderAndWriterAgreeOnTheCause(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kill func(t *testing.T, server *net.TCPConn)
		want health.Cause
	}{
		{"stalled", func(*testing.T, *net.TCPConn) {}, health.PeerStalled},
		{"frozen", func(t *testing.T, server *net.TCPConn) { testnet.Freeze(t, server) }, health.SendTimeout},
		{"reset", func(t *testing.T, server *net.TCPConn) { server.SetLinger(0); server.Close() }, health.Reset},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.want == health.PeerStalled && runtime.GOOS != "linux" {
				t.Skip("only Linux is known to end a stalled connection, and to tell that it was one")
			}
			k := quick
			if test.want == health.PeerStalled {
				k.StallTimeout = 2 * time.Second
			}
			client, server := connect(t, &Dialer{KeepAlive: k})
			bound(t, client, 15*time.Second)
			errs := make(chan error, 2)
			go func() {
				_, err := client.Read(make([]byte, 1))
				errs <- err
			}()
			wrote := make(chan struct{})
			go func() {
				for first := true; ; first = false {
					_, err := client.Write(make([]byte, 1<<20))
					if first {
						close(wrote)
					}
					if err != nil {
						errs <- err
						return
					}
				}
			}()
			<-wrote
			test.kill(t, server)
			a, b := <-errs, <-errs
			if dead := asDead(t, a); a != b || dead.Cause != test.want {
				t.Errorf("%v\nand %v\nwant %v twice", a, b, test.want)
			}
		})
	}
}

func TestWhatArrivedBeforeTheDeathCanBeRead(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{KeepAlive: quick})
	if _, err := server.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	testnet.Freeze(t, server)
	bound(t, client, 15*time.Second)
	if _, err := client.Write([]byte("anybody?")); err != nil {
		t.Fatal(err)
	}
	if kernelNotifies {
		waitDone(t, client)
	} else {
		waitDead(t, client) // which what is unread hides from a look
	}
	buf := make([]byte, 100)
	n, err := client.Read(buf)
	if string(buf[:n]) != "last words" || err != nil {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	_, err = client.Read(buf)
	if dead := asDead(t, err); dead.Cause != health.SendTimeout {
		t.Error(err)
	}
}

// waitDead waits until the kernel has given c up.
func waitDead(t *testing.T, c *Conn) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		info, err := c.Info()
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("still %v, %v", info.State, err)
		}
		if info.State == health.TCPClose {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestADeadlineIsNotADeath(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := client.Read(make([]byte, 1))
	var op *net.OpError
	if !errors.As(err, &op) || err != error(op) || !op.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%#v is not net's own", err)
	}
	client.SetReadDeadline(time.Time{})
	go server.Write([]byte("x"))
	if _, err := client.Read(make([]byte, 1)); err != nil || client.Err() != nil {
		t.Errorf("after the deadline: %v, %v", err, client.Err())
	}
}

func TestAnOrderlyCloseIsEOF(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	server.CloseWrite()
	bound(t, client, 5*time.Second)
	for range 2 {
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
	}
	if dead := asDead(t, client.Err()); dead.Cause != health.PeerClosed {
		t.Error(client.Err())
	}
	if client.State() != health.Alive {
		t.Error("half a close counts as a death")
	}
	if _, err := client.Write([]byte("still here")); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 10)
	if _, err := io.ReadFull(server, buf); err != nil || string(buf) != "still here" {
		t.Errorf("%q, %v", buf, err)
	}
	client.CloseWrite()
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := server.Read(buf); err != io.EOF {
		t.Error(err)
	}
	server.Close()
	if _, err := client.Read(buf); err != io.EOF {
		t.Error("after both have closed:", err)
	}
	if dead := client.verdict.final(); dead != nil {
		t.Error("an orderly close is taken for a death:", dead)
	}
}

func TestErrSeesAPeerThatClosedWithNobodyReading(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	if err := client.Err(); err != nil {
		t.Fatal(err)
	}
	server.Close()
	eventually(t, func() bool { return client.Err() != nil })
	if dead := asDead(t, client.Err()); dead.Cause != health.PeerClosed {
		t.Error(client.Err())
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestCloseIsADeathOfItsOwnKind(t *testing.T) {
	t.Parallel()
	var closed, dead atomic.Int32
	o := &Observer{
		Dead:   func(DeadInfo) { dead.Add(1) },
		Closed: func(info ClosedInfo) { closed.Add(1) },
	}
	client, _ := connect(t, &Dialer{Observer: o})
	client.Close()
	waitDone(t, client)
	if d := asDead(t, client.Err()); d.Cause != health.LocalClosed || !errors.Is(d, net.ErrClosed) {
		t.Error(d)
	}
	if _, err := client.Read(nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := client.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error("second close:", err)
	}
	if closed.Load() != 1 || dead.Load() != 0 {
		t.Errorf("%d times closed, %d times dead", closed.Load(), dead.Load())
	}
}

func TestADeathIsObservedOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var deaths []DeadInfo
	var closed []ClosedInfo
	o := &Observer{
		Dead:   func(i DeadInfo) { mu.Lock(); defer mu.Unlock(); deaths = append(deaths, i) },
		Closed: func(i ClosedInfo) { mu.Lock(); defer mu.Unlock(); closed = append(closed, i) },
	}
	client, server := connect(t, &Dialer{Observer: o})
	bound(t, client, 5*time.Second)
	server.SetLinger(0)
	server.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { client.Read(make([]byte, 1)) })
		wg.Go(func() { client.Write(make([]byte, 1)) })
	}
	wg.Wait()
	client.Close()
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(closed) > 0 }) // the last that is told
	mu.Lock()
	defer mu.Unlock()
	if len(deaths) != 1 || deaths[0].Conn != client || deaths[0].Err.Cause != health.Reset {
		t.Errorf("deaths: %v", deaths)
	}
	if len(closed) != 1 || closed[0].Err != deaths[0].Err || closed[0].Open <= 0 {
		t.Errorf("closed: %v", closed)
	}
}

// Whoever has the connection underneath may close it.
func TestAConnIsClosedByWhoeverClosesItsSocket(t *testing.T) {
	t.Parallel()
	for name, meet := range map[string]func(c *Conn) error{
		"nobody":   func(*Conn) error { return net.ErrClosed },
		"Read":     func(c *Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"Write":    func(c *Conn) error { _, err := c.Write([]byte("x")); return err },
		"WriteTo":  func(c *Conn) error { _, err := c.WriteTo(io.Discard); return err },
		"ReadFrom": func(c *Conn) error { _, err := c.ReadFrom(strings.NewReader("x")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told, closed := make(chan *health.DeadError, 2), make(chan ClosedInfo, 2)
			o := &Observer{
				Dead:   func(i DeadInfo) { t.Error("a death:", i) },
				Closed: func(i ClosedInfo) { closed <- i },
			}
			c, _ := connect(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second), Observer: o})
			c.Watch(func(e *health.DeadError) { told <- e })
			c.NetConn().Close()
			if err := meet(c); !errors.Is(err, net.ErrClosed) || errors.As(err, new(*health.DeadError)) {
				t.Error(err)
			}
			waitDone(t, c)
			if dead := <-told; dead.Cause != health.LocalClosed || c.Err() != dead || c.State() != health.Dead {
				t.Errorf("told %v, and it is %v", dead, c.Err())
			}
			c.Close()
			c.Close()
			if i := <-closed; i.Err != nil || len(closed) > 0 || len(told) > 0 {
				t.Errorf("closed: %v, and %d more; told of %d more", i, len(closed), len(told))
			}
		})
	}
}

func TestFromLooksThroughWrappers(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	for _, wrapped := range []net.Conn{
		tls.Client(client, &tls.Config{}),
		struct{ net.Conn }{client},
		&struct{ *Conn }{client},
		struct{ Stream }{client},
		&struct{ Stream }{tls.Client(struct{ *Conn }{client}, &tls.Config{})},
		&rawWrapper{hidden: client},
		&struct{ net.Conn }{tls.Client(&rawWrapper{hidden: client}, nil)},
	} {
		if c, ok := From(wrapped); !ok || c != client {
			t.Errorf("under %T: %v, %v", wrapped, c, ok)
		}
		if err := health.Check(wrapped); err != nil {
			t.Errorf("under %T: %v", wrapped, err)
		}
	}
	for _, other := range []net.Conn{nil, server, (*Conn)(nil), &struct{ *Conn }{}} {
		if c, ok := From(other); ok {
			t.Errorf("%T is %v", other, c)
		}
	}
	if client.NetConn() != net.Conn(client.TCPConn) {
		t.Error("NetConn is not what lies underneath")
	}
}

// Stream is an interface that wrappers embed by another name than Conn.
type Stream interface{ net.Conn }

// rawWrapper is as a connection of go-proxyproto, whose addresses are read from
// the one that it wraps.
type rawWrapper struct{ hidden }

type hidden = net.Conn

func (w *rawWrapper) Raw() net.Conn      { return w.hidden }
func (*rawWrapper) LocalAddr() net.Addr  { panic("read") }
func (*rawWrapper) RemoteAddr() net.Addr { panic("read") }

func TestCopyKeepsTheCauseAndNamesTheRightSide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		copy func(dst, src *Conn) (int64, error)
	}{
		{"io.Copy", func(dst, src *Conn) (int64, error) { return io.Copy(dst, src) }},
		{"ReadFrom", func(dst, src *Conn) (int64, error) { return dst.ReadFrom(src) }},
		{"io.CopyN", func(dst, src *Conn) (int64, error) { return io.CopyN(dst, src, 1<<20) }},
		{"a plain reader", func(dst, src *Conn) (int64, error) { return io.Copy(dst, struct{ io.Reader }{src}) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src, srcPeer := connect(t, new(Dialer))
			dst, dstPeer := connect(t, new(Dialer))
			bound(t, src, 5*time.Second)
			go srcPeer.Write([]byte("hello"))
			type result struct {
				n   int64
				err error
			}
			copied := make(chan result, 1)
			go func() {
				n, err := test.copy(dst, src)
				copied <- result{n, err}
			}()
			buf := make([]byte, 5)
			if _, err := io.ReadFull(dstPeer, buf); err != nil || string(buf) != "hello" {
				t.Errorf("%q, %v", buf, err)
			}
			srcPeer.SetLinger(0)
			srcPeer.Close()
			r := <-copied
			dead := asDead(t, r.err)
			if r.n != 5 || dead.Cause != health.Reset || src.Err() != error(dead) || dst.Err() != nil {
				t.Errorf("copied %d, %v; source %v, destination %v", r.n, r.err, src.Err(), dst.Err())
			}
			var op *net.OpError
			if !errors.As(r.err, &op) || op.Addr.String() != src.RemoteAddr().String() {
				t.Errorf("%v does not name the side that died", r.err)
			}
		})
	}
}

func TestReadAndWriteAllocateNothing(t *testing.T) {
	client, server := connect(t, new(Dialer))
	buf := make([]byte, 64)
	allocs := testing.AllocsPerRun(1000, func() {
		client.Write(buf)
		io.ReadFull(server, buf)
		server.Write(buf)
		io.ReadFull(client, buf)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestTheReportIsWhatTheKernelHolds(t *testing.T) {
	t.Parallel()
	k := sockopt.KeepAlive{Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 4}
	client, _ := connect(t, &Dialer{KeepAlive: k, Strict: true})
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got, err := sockopt.Get(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := held(t, k)
	if got != want || client.Report().Got != want {
		t.Errorf("kernel %+v, report %+v, want %+v", got, client.Report().Got, want)
	}
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
		time.Sleep(time.Millisecond)
	}
}
