package loadtest

import (
	"errors"
	"net"
	"sync"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/service"
)

// A Server answers requests, on loopback, until it is closed.
type Server struct {
	name     string
	account  *Account
	listener net.Listener
	wg       sync.WaitGroup // what accepts and what answers

	// running is held for reading by who runs a request, and for writing while
	// the server is frozen. It is locked before mu.
	running sync.RWMutex

	mu     sync.Mutex // guards what follows; no network I/O under it
	conns  map[*net.TCPConn]struct{}
	frozen bool
	thaws  []func() error
	closed bool
}

// Serve starts a server. The caller closes it.
func Serve(name string, account *Account) (*Server, error) {
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	s := &Server{name: name, account: account, listener: l, conns: make(map[*net.TCPConn]struct{})}
	s.wg.Go(s.accept)
	return s, nil
}

// String returns the server's name.
func (s *Server) String() string { return s.name }

// Addr returns the address to dial.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		if tcp := c.(*net.TCPConn); s.admit(tcp) {
			s.wg.Go(func() {
				s.answer(tcp)
				s.dismiss(tcp)
			})
		}
	}
}

// admit takes a connection in; one that had been waiting to be accepted when
// the server was frozen is frozen with it.
func (s *Server) admit(c *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.frozen && s.keep(healthtest.Freeze(c)) != nil {
		abort(c)
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) dismiss(c *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	abort(c)
}

// Freeze makes the server vanish, as a machine that is paused: it runs no
// request any more, says nothing, and hears nothing, neither on its
// connections nor of new ones. Requests that have arrived by then are run
// after the thaw. Freeze and Thaw take turns, by one caller.
//
// The error says that this machine cannot do it, as [healthtest.Freeze]'s does.
func (s *Server) Freeze() error {
	s.running.Lock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
	if err := s.keep(healthtest.FreezeListener(s.listener)); err != nil {
		return err
	}
	for c := range s.conns {
		awaitAcknowledged(c)
		// One whose client has just closed it is none of ours any more.
		if err := s.keep(healthtest.Freeze(c)); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// keep remembers how to undo a freeze. The caller holds s.mu.
func (s *Server) keep(thaw func() error, err error) error {
	if err == nil {
		s.thaws = append(s.thaws, thaw)
	}
	return err
}

// mostDelay is more than a client's kernel puts off an acknowledgement (RFC
// 9293 section 3.8.6.3).
const mostDelay = 500 * time.Millisecond

// awaitAcknowledged waits until c has nothing to send again: a machine that is
// paused does not retransmit, but a socket that only does not hear does.
func awaitAcknowledged(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(mostDelay); time.Now().Before(end); {
		<-timer.C
		if info, err := health.Inspect(raw); err != nil || info.Unacked == 0 {
			return
		}
		timer.Reset(time.Millisecond)
	}
}

// Thaw brings the server back.
func (s *Server) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		return nil
	}
	s.frozen = false
	var errs []error
	for _, thaw := range s.thaws {
		errs = append(errs, thaw())
	}
	s.thaws = nil
	s.running.Unlock()
	return errors.Join(errs...)
}

// Close ends everything, frozen or not, and waits until it has ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for c := range s.conns {
		abort(c)
	}
	s.mu.Unlock()
	_ = s.Thaw() // there is nothing left to thaw but the requests
	s.wg.Wait()
}

// abort closes c at once: a frozen socket that closes in good order would
// linger for minutes.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
