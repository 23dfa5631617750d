package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// The requests that a server knows are of one byte each, and so are its
// replies, which repeat the request.
const (
	echo = 'e'
	hold = 'h' // the reply says that the request is there; another is to follow, and never does
)

// A server answers requests, in this process, on a host.
type server struct {
	listener net.Listener
	running  sync.WaitGroup
	gate     sync.Mutex // locked while it does not accept

	mu   sync.Mutex          // guards what follows
	open map[*hale.Conn]bool // its connections
	read []byte              // what it has read, of all
}

// listen listens as every server here does.
func listen(address string) (net.Listener, error) {
	lc := hale.ListenConfig{KeepAlive: sockopt.Within(serverPromise)}
	return lc.Listen(context.Background(), "tcp", address)
}

func newServer(l net.Listener) *server {
	s := &server{listener: l, open: make(map[*hale.Conn]bool)}
	s.running.Go(s.accept)
	return s
}

// startServer starts a server on the host, for as long as the test.
func startServer(t *testing.T, h *testnet.Host, address string) *server {
	t.Helper()
	var l net.Listener
	if err := h.Do(func() (err error) { l, err = listen(address); return err }); err != nil {
		t.Fatal(err)
	}
	s := newServer(l)
	t.Cleanup(func() { l.Close(); s.forget(); s.running.Wait() })
	return s
}

func (s *server) accept() {
	for {
		s.pass()
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.running.Go(func() { s.serve(c.(*hale.Conn)) })
		}
	}
}

// pass waits at the gate.
func (s *server) pass() {
	s.gate.Lock()
	defer s.gate.Unlock()
}

func (s *server) serve(c *hale.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.open[c] = true
	s.mu.Unlock()
	for s.answer(c) == nil {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *server) answer(c *hale.Conn) error {
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil {
		return err
	}
	s.mu.Lock()
	s.read = append(s.read, b[0])
	s.mu.Unlock()
	_, err := c.Write(b[:])
	return err
}

// forget closes every connection by a RST: where that cannot leave, nobody is
// told.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.SetLinger(0)
		c.Close()
	}
}

// finish closes the sending side of every connection, and goes on reading.
func (s *server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.CloseWrite()
	}
}

// got is everything that the server has read.
func (s *server) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.read)
}

// ask sends a request over c and awaits its reply.
func ask(c net.Conn, request byte) error {
	b := [1]byte{request}
	if _, err := c.Write(b[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[0] != request {
		return fmt.Errorf("the reply to %q is %q", request, b[0])
	}
	return nil
}
