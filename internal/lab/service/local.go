package service

import (
	"errors"
	"net"
	"os"
	"sync"
)

// NewLocal is the server in this process that accepts from l, which [Listen]
// made. stop ends it: no listener, connection or goroutine is left when it
// returns.
func NewLocal(name string, l *net.TCPListener, stop func() error) (*Server, error) {
	return newServer(name, l.Addr().String(), os.Getpid(), stop)
}

// Serve is a server in this process that gives each connection to handle, on a
// goroutine of its own, and closes it when handle returns. [Server.Close]
// closes all connections, waits for the goroutines, and then calls stop, if
// that is not nil.
func Serve(name string, handle func(net.Conn), stop func() error) (*Server, error) {
	l, err := Listen()
	if err != nil {
		return nil, err
	}
	a := &acceptor{listener: l, handle: handle, open: make(map[net.Conn]struct{})}
	a.running.Go(a.accept)
	return NewLocal(name, l, func() error {
		err := a.stop()
		if stop != nil {
			err = errors.Join(err, stop())
		}
		return err
	})
}

// acceptor is the goroutines of a server in this process.
type acceptor struct {
	listener net.Listener
	handle   func(net.Conn)
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	open    map[net.Conn]struct{}
	stopped bool
}

func (a *acceptor) accept() {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			return
		}
		a.running.Go(func() { a.serve(conn) })
	}
}

func (a *acceptor) serve(conn net.Conn) {
	defer conn.Close()
	if a.enter(conn) {
		defer a.leave(conn)
		a.handle(conn)
	}
}

// enter is false if the server has been stopped meanwhile.
func (a *acceptor) enter(conn net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped {
		a.open[conn] = struct{}{}
	}
	return !a.stopped
}

func (a *acceptor) leave(conn net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, conn)
}

func (a *acceptor) stop() error {
	err := a.listener.Close()
	a.mu.Lock()
	a.stopped = true
	for conn := range a.open {
		conn.Close()
	}
	a.mu.Unlock()
	a.running.Wait()
	return err
}
