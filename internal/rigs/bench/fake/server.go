// Package fake has servers that speak just enough of a protocol for its client to
// pool connections to them, in this process, so that they can be frozen.
package fake

import (
	"errors"
	"net"
	"sync"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/service"
)

// A Server accepts on loopback and speaks one protocol.
type Server struct {
	Addr string

	listener net.Listener
	speak    func(net.Conn)
	stop     func() // what Run was told; or nil
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	open     map[net.Conn]struct{}
	closed   bool
	accepted int
}

// Start starts a server that has speak serve each connection until it returns.
func Start(speak func(net.Conn)) (*Server, error) {
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String(), listener: l, speak: speak, open: make(map[net.Conn]struct{})}
	s.running.Go(func() { s.Accept(l) })
	return s, nil
}

// Accept accepts from l until that is closed.
func (s *Server) Accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if s.enter(c) {
			s.running.Go(func() {
				defer s.leave(c)
				s.speak(c)
			})
		}
	}
}

// Listener accepts connections that the server counts and freezes, for a server
// that serves by itself.
func (s *Server) Listener(l net.Listener) net.Listener { return noting{l, s} }

type noting struct {
	net.Listener
	server *Server
}

func (n noting) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil && !n.server.enter(c) {
		return nil, net.ErrClosed
	}
	return c, err
}

// Around is a Server that serves nothing and knows what l accepts by Listener.
func Around(l net.Listener) *Server {
	return &Server{Addr: l.Addr().String(), listener: l, open: make(map[net.Conn]struct{})}
}

// Run has serve run until Close has called stop.
func (s *Server) Run(serve, stop func()) {
	s.stop = stop
	s.running.Go(serve)
}

func (s *Server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.open[c] = struct{}{}
	s.accepted++
	return true
}

func (s *Server) leave(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Accepted is how many connections were accepted so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Freeze makes the server vanish, as [healthtest.Freeze] does: its connections
// fall silent, and nobody can dial it. thaw brings it back.
func (s *Server) Freeze() (thaw func() error, err error) {
	var thaws []func() error
	thaw = func() error {
		var errs []error
		for _, t := range thaws {
			errs = append(errs, t())
		}
		return errors.Join(errs...)
	}
	first, err := healthtest.FreezeListener(s.listener)
	if err != nil {
		return nil, err
	}
	thaws = append(thaws, first)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		t, err := healthtest.Freeze(c)
		if errors.Is(err, net.ErrClosed) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, thaw())
		}
		thaws = append(thaws, t)
	}
	return thaw, nil
}

// Reset ends all connections by RST.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// Close closes all connections, and waits until nobody speaks on them.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()
	return err
}
