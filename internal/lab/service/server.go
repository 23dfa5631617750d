// Package service starts real servers on this machine, on loopback ports of their
// own, and makes them vanish: programs from Debian's packages, and Go servers
// that run in this process.
package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// A Server is a server that listens on loopback. Its methods are safe for
// concurrent use.
type Server struct {
	Name string // of the program
	Addr string // host:port

	port int
	pid  int // whose sockets, and whose descendants' sockets, are the server's
	stop func() error
	once sync.Once
	err  error

	killed atomic.Bool // by Kill
}

// ErrAbsent matches the error of a server whose program this machine lacks.
// The error's text names the program and the Debian package that has it.
var ErrAbsent = errors.New("no such program")

// Listen listens on a free port of 127.0.0.1 as a server has to that is to
// vanish: plain TCP, because Multipath TCP takes no socket filter, and without
// keepalive of its own, because a vanished machine sends none.
func Listen() (*net.TCPListener, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// newServer is the server on addr whose sockets are pid's and its
// descendants'. stop ends it.
func newServer(name, addr string, pid int, stop func() error) (*Server, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("service: %s: %w", name, err)
	}
	return &Server{Name: name, Addr: addr, port: tcp.Port, pid: pid, stop: stop}, nil
}

func (s *Server) unsupported() error {
	return fmt.Errorf("service: %s: %w", s.Name, errors.ErrUnsupported)
}

// Close ends the server and removes its files. Later calls return what the
// first returned.
func (s *Server) Close() error {
	s.once.Do(func() { s.err = s.stop() })
	return s.err
}
