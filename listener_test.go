package hale

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
	if dead := asDead(t, err); dead.Cause != health.KeepAliveTimeout || deaths.Load() != 1 {
		t.Errorf("%v, observed %d times", err, deaths.Load())
	}
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
