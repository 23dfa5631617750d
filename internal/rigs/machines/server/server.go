// Package server is what serves at the other end of the experiments with
// machines, in a virtual machine or beside it: for each manner that a server may
// have it listens on a port of its own.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"example.com/hale/internal/lab/loadtest"
)

// The ports.
const (
	Greeter  = 7000 // greets, reads, and says no more
	Requests = 7001 // answers the requests of package loadtest
	Account  = 7002 // says how many of them have come twice, and closes
	Deaf     = 7003 // greets and reads nothing
	Slow     = 7004 // greets and reads SlowRate
	Stream   = 7005 // greets, and sends 1 KiB twenty times a second
)

// Greeting is what a server says first, but for those of Requests and Account.
const Greeting = "hale"

// SlowRate is bytes in a second.
const SlowRate = 10_000

// A Server listens on all ports.
type Server struct {
	account   loadtest.Account
	listeners []net.Listener
	running   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

// Serve starts a server on all addresses. It never ends a connection by itself: it
// has no keepalive. The caller closes it.
func Serve() (*Server, error) {
	s := &Server{open: make(map[net.Conn]bool)}
	for port, handle := range map[int]func(net.Conn){
		Greeter:  func(c net.Conn) { greet(c); _, _ = io.Copy(io.Discard, c) },
		Requests: func(c net.Conn) { loadtest.Answer(c, &s.account) },
		Account:  func(c net.Conn) { fmt.Fprintf(c, "%d", s.account.Duplicated()) },
		Deaf:     func(c net.Conn) { greet(c); s.untilClosed() },
		Slow:     func(c net.Conn) { greet(c); readSlowly(c) },
		Stream:   func(c net.Conn) { greet(c); stream(c) },
	} {
		if err := s.listen(port, handle); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) listen(port int, handle func(net.Conn)) error {
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp4", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, l)
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(c, handle) })
		}
	})
	return nil
}

func (s *Server) serve(c net.Conn, handle func(net.Conn)) {
	defer c.Close()
	if s.enter(c) {
		handle(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *Server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[c] = true
	}
	return !s.closed
}

// untilClosed waits for Close.
func (s *Server) untilClosed() {
	for !s.isClosed() {
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends everything, and waits until it has ended.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		errs = append(errs, c.Close())
	}
	s.mu.Unlock()
	s.running.Wait()
	return errors.Join(errs...)
}

func greet(c net.Conn) { _, _ = io.WriteString(c, Greeting) }

func readSlowly(c net.Conn) {
	const times = 10 // in a second
	b := make([]byte, SlowRate/times)
	for {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		time.Sleep(time.Second / times)
	}
}

func stream(c net.Conn) {
	for b := make([]byte, 1<<10); ; time.Sleep(50 * time.Millisecond) {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
