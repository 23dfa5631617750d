package service

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestCloseEndsTheConnectionsOfAServerInThisProcess(t *testing.T) {
	t.Parallel()
	ended, stopped := make(chan struct{}), errors.New("stopped")
	handled := 0
	s, err := Serve("sink", func(c net.Conn) {
		io.Copy(io.Discard, c)
		handled++
		close(ended)
	}, func() error {
		if handled != 1 { // the race detector knows if this did not wait
			t.Errorf("stopped with %d of 1 connections handled", handled)
		}
		return stopped
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("the connection ended by itself")
	case <-time.After(50 * time.Millisecond):
	}
	for range 2 {
		if err := s.Close(); !errors.Is(err, stopped) {
			t.Error(err)
		}
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("%d, %v", n, err)
	}
	// Another test that looks for its server's sockets may hold this one for a
	// moment.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", s.Addr, 10*time.Second)
		if err != nil {
			break
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatal("it still listens")
		}
	}
}
