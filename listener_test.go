package hale

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestAcceptedConnectionsGetThePlan(t *testing.T) {
	t.Parallel()
	k := sockopt.KeepAlive{Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 4}
	for name, listen := range map[string]func(t *testing.T) net.Listener{
		"Listen": func(t *testing.T) net.Listener {
			l, err := (&ListenConfig{KeepAlive: k}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		"NewListener over net.Listen, which is MPTCP": func(t *testing.T) net.Listener {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l, err := NewListener(inner, &ListenConfig{KeepAlive: k})
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			want := held(t, k)
			report := conn.(*Conn).Report()
			if report.Got != want || report.Err() != nil {
				t.Errorf("got %+v, %v", report.Got, report.Err())
			}
			l.Close()
			go client.Write([]byte("x"))
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Error("the listener took the connection with it:", err)
			}
		})
	}
}

func TestAServerNoticesAClientThatVanished(t *testing.T) {
	t.Parallel()
	var deaths atomic.Int32
	lc := &ListenConfig{KeepAlive: quick, Observer: &Observer{Dead: func(DeadInfo) { deaths.Add(1) }}}
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nd := net.Dialer{KeepAlive: -1}
	client, err := nd.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	testnet.Freeze(t, client)
	bound(t, server, 10*time.Second)
	_, err = server.Read(make([]byte, 1))
	if dead := asDead(t, err); dead.Cause != health.KeepAliveTimeout {
		t.Error(err)
	}
	eventually(t, func() bool { return deaths.Load() == 1 })
}

func TestAListenerLiesBelowTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(nil)
	inner, err := NewListener(s.Listener, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = inner
	s.StartTLS() // for its certificate
	config := s.TLS.Clone()
	s.Close()

	plain, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(plain, config)
	defer l.Close()
	go func() {
		conn, err := Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer conn.Close()
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		c.Write([]byte("hello"))
		io.Copy(io.Discard, c)
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bound(t, conn, 10*time.Second)
	buf := make([]byte, 5)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "hello" {
		t.Errorf("%q, %v", buf, err)
	}
	if c, ok := From(conn); !ok || c.Report().Got != held(t, sockopt.KeepAlive{}) {
		t.Errorf("under TLS: %v, %v", c, ok)
	}
}

func TestAListenConfigOutOfRangeIsRefusedBeforeItListens(t *testing.T) {
	t.Parallel()
	lc := &ListenConfig{KeepAlive: sockopt.KeepAlive{Count: -7}}
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil || l != nil || !strings.Contains(err.Error(), "Count -7") {
		t.Errorf("%v, %v", l, err)
	}
	inner := testnet.Listen(t)
	if _, err := NewListener(inner, lc); err == nil {
		t.Error("NewListener took it")
	}
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal("the inner listener was closed:", err)
	}
	c.Close()
}

// spoiled is a listener whose first connections are of no use: one that has no
// socket, and one that is closed.
type spoiled struct {
	net.Listener
	accepted int
}

func (l *spoiled) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.accepted++
	switch {
	case err != nil:
	case l.accepted == 1:
		c.Close()
		c = new(net.TCPConn)
	case l.accepted == 2:
		c.Close()
	}
	return c, err
}

func TestAcceptTellsOfEachConnectionAndReturnsWhatIsStrictlyGood(t *testing.T) {
	t.Parallel()
	for name, strict := range map[string]bool{"Strict": true, "not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := testnet.Listen(t)
			var told []AcceptedInfo
			l, err := NewListener(&spoiled{Listener: inner}, &ListenConfig{KeepAlive: sockopt.KeepAlive{Disabled: true}, Strict: strict, Observer: &Observer{
				Accepted: func(i AcceptedInfo) { told = append(told, i) },
			}})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				client, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
			}
			var last *Conn
			for len(told) < 3 {
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if last = c.(*Conn); last != told[len(told)-1].Conn {
					t.Error("told of another connection than was returned")
				}
			}
			for i, info := range told {
				if good := i == 2; good != (info.Err == nil) || strict && good != (info.Conn != nil) || !strict && info.Conn == nil {
					t.Errorf("%d: %+v", i, info)
				}
				if op := new(net.OpError); info.Err != nil && (!errors.As(info.Err, &op) || op.Op != "accept") {
					t.Errorf("%d: %v", i, info.Err)
				}
			}
			if told[2].RemoteAddr.String() != last.RemoteAddr().String() || last.Err() != nil {
				t.Errorf("%v, %v", told[2].RemoteAddr, last.Err())
			}
			if !strict && told[0].Conn.Report() != (sockopt.Report{}) {
				t.Error("of no socket there is a report:", told[0].Conn.Report())
			}
		})
	}
}

// An error of the listener's own, such as its end, is no connection's.
func TestAStrictAcceptEndsWithItsListener(t *testing.T) {
	t.Parallel()
	l, err := (&ListenConfig{Strict: true}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { l.Close() })
	if c, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, %v", c, err)
	}
}

// listenerMethods are those of a net.TCPListener that servers look for.
type listenerMethods interface {
	net.Listener
	SetDeadline(time.Time) error
	SyscallConn() (syscall.RawConn, error)
	File() (*os.File, error)
}

func TestAListenerHasTheMethodsOfTheOneBelow(t *testing.T) {
	t.Parallel()
	plain, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	l := plain.(listenerMethods)
	if err := l.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	if c, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v, %v", c, err)
	}
	if raw, err := l.SyscallConn(); raw == nil || err != nil {
		t.Error(raw, err)
	}
	file, err := l.File()
	if runtime.GOOS == "windows" && err != nil {
		return // net has it not there
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	copied, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if copied.Addr().String() != l.Addr().String() {
		t.Errorf("%v is a copy of %v", copied.Addr(), l.Addr())
	}
}

func TestAListenerOverOneThatHasNoSuchMethodsSaysSo(t *testing.T) {
	t.Parallel()
	plain, err := NewListener(struct{ net.Listener }{testnet.Listen(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := plain.(listenerMethods)
	_, raw := l.SyscallConn()
	_, file := l.File()
	for _, err := range []error{l.SetDeadline(time.Now()), raw, file} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Error(err)
		}
	}
}

// odd is a listener that accepts what is no connection.
type odd struct {
	net.Listener
	conn net.Conn
}

func (l odd) Accept() (net.Conn, error) { return l.conn, nil }

func TestWhatIsNoConnectionPassesAListener(t *testing.T) {
	t.Parallel()
	for name, conn := range map[string]net.Conn{
		"nil": nil, "no TCP": (*net.TCPConn)(nil), "no Conn": (*Conn)(nil), "nothing in a wrapper": struct{ net.Conn }{},
	} {
		l, err := NewListener(odd{testnet.Listen(t), conn}, &ListenConfig{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.Accept(); got != conn || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if l, err := NewListener(nil, nil); l != nil || err == nil {
		t.Errorf("over none: %v, %v", l, err)
	}
}
