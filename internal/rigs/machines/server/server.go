// Package server is what serves at the other end of the experiments with
// machines, in a virtual machine or beside it: for each manner that a server may
// have it listens on a port of its own.
package server

import (
	"context"
	"encoding/json"
	"errors"
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
	Account  = 7002 // tells an Arrived of them, as JSON, and closes
	Deaf     = 7003 // greets and reads nothing
	Slow     = 7004 // greets and reads SlowRate
	Stream   = 7005 // greets, and sends 1 KiB twenty times a second
)

// Lanes is how many loads a server keeps apart: each has its own Requests and Account,
// NextLane after those of the lane before.
const (
	Lanes    = 3
	NextLane = 10
)

// Arrived are the requests that have reached a server.
type Arrived struct {
	Numbers []uint64
	Twice   int // that had arrived before
}

// Greeting is what a server says first, but on the ports of the lanes.
const Greeting = "hale"

// SlowRate is bytes in a second.
const SlowRate = 10_000

// A Server listens on all ports.
type Server struct {
	listeners []net.Listener
	running   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

// Serve starts a server on an address of this machine, all of them if it is empty. It
// never ends a connection by itself: it has no keepalive. The caller closes it.
func Serve(host string) (*Server, error) {
	s := &Server{open: make(map[net.Conn]bool)}
	ports := map[int]func(net.Conn){
		Greeter: func(c net.Conn) { greet(c); _, _ = io.Copy(io.Discard, c) },
		Deaf:    func(c net.Conn) { greet(c); s.untilClosed() },
		Slow:    func(c net.Conn) { greet(c); readSlowly(c) },
		Stream:  func(c net.Conn) { greet(c); stream(c) },
	}
	for lane := range Lanes {
		account := new(loadtest.Account)
		ports[Requests+lane*NextLane] = func(c net.Conn) { loadtest.Answer(c, account) }
		ports[Account+lane*NextLane] = func(c net.Conn) {
			_ = json.NewEncoder(c).Encode(Arrived{account.Numbers(), account.Duplicated()})
		}
	}
	for port, handle := range ports {
		if err := s.listen(net.JoinHostPort(host, strconv.Itoa(port)), handle); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) listen(address string, handle func(net.Conn)) error {
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp4", address)
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
