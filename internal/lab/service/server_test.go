package service

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// serveEcho is a server in this process.
func serveEcho(t *testing.T) *Server {
	t.Helper()
	testnet.NeedFreeze(t)
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	s, err := newServer("echo", l.Addr().String(), os.Getpid(), func() error { defer func() { <-done }(); return l.Close() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(c net.Conn, timeout time.Duration) error {
	c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

func TestAServerVanishesIsReplacedAndReturns(t *testing.T) {
	t.Parallel()
	s := serveEcho(t)
	old := dial(t, s)
	if err := echo(old, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name        string
		do          func() error
		oldAnswers  bool
		dialAnswers bool
	}{
		{"vanish", s.Vanish, false, false},
		{"replace", s.Replace, false, true},
		{"return", s.Return, true, true},
	} {
		if err := step.do(); err != nil {
			t.Fatal(step.name, err)
		}
		patience := map[bool]time.Duration{true: 10 * time.Second, false: 300 * time.Millisecond}
		if err := echo(old, patience[step.oldAnswers]); (err == nil) != step.oldAnswers || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the old connection: %v", step.name, err)
		}
		c, err := net.DialTimeout("tcp", s.Addr, patience[step.dialAnswers])
		if (err == nil) != step.dialAnswers {
			t.Errorf("%s: dial: %v", step.name, err)
		}
		if err == nil {
			if err := echo(c, 5*time.Second); err != nil {
				t.Errorf("%s: a new connection: %v", step.name, err)
			}
			c.Close()
		}
	}
}
