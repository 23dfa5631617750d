package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/program"
)

const (
	// serverBuffer is small, so that the window of a slow reader closes soon.
	serverBuffer = 32 << 10
	// replyTimeout ends a reply to a client that is gone without a word.
	replyTimeout = 30 * time.Second
	// mostWork is what a request takes at most: faults are to meet some in the
	// middle of it.
	mostWork = 20 * time.Millisecond
)

// A server runs requests and has faults when it is told to.
type server struct {
	listener net.Listener
	records  io.Writer // each write is a record, and is whole
	wg       sync.WaitGroup

	// running is held for reading by who runs a request, and for writing while
	// the server is frozen. It is locked before mu.
	running sync.RWMutex

	mu     sync.Mutex // guards what follows; no network I/O under it
	conns  map[*peer]struct{}
	frozen bool
	thaws  []func() error
	early  bool    // connections are closed early
	most   int     // how many connections it has; 0 is no limit
	tells  bool    // the refused are told that it is full
	chat   float64 // the share of the replies after which it says more
	closed bool
}

// A peer is a client's connection.
type peer struct {
	*net.TCPConn
	refused bool // the server is full; guarded by its mu
	half    bool // half-closed; guarded by the server's mu

	asked   atomic.Uint64 // requests that have come
	writing sync.Mutex    // held while a frame is written

	mu   sync.Mutex    // guards slow
	slow chan struct{} // closed when reading may go on; nil if it may
}

// newServer listens without keepalive of its own, which would end a frozen
// connection by itself, and without Multipath TCP, which cannot be frozen.
func newServer(address string, records io.Writer) (*server, error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp4", address)
	if err != nil {
		return nil, err
	}
	s := &server{listener: l, records: records, conns: make(map[*peer]struct{})}
	s.wg.Go(s.accept)
	return s, nil
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		p := &peer{TCPConn: c.(*net.TCPConn)}
		_ = p.SetReadBuffer(serverBuffer) // a larger one is slower to fill
		if serve := s.admit(p); serve != nil {
			s.wg.Go(func() {
				serve(p)
				s.dismiss(p)
			})
		}
	}
}

// admit takes a connection in, and returns what is to be done with it, if
// anything; one that had been waiting to be accepted when the server was frozen
// is frozen with it.
func (s *server) admit(p *peer) (serve func(*peer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.frozen && s.keep(healthtest.Freeze(p.TCPConn)) != nil {
		abort(p)
		return nil
	}
	serve = s.serve
	if s.most > 0 && s.count() >= s.most {
		p.refused = true
		if serve = s.refuse; !s.tells {
			p.Close()
			return nil
		}
	}
	s.conns[p] = struct{}{}
	if s.early {
		hangUpEarly(p)
	}
	return serve
}

func (s *server) serve(p *peer) {
	for s.answer(p) == nil {
	}
}

func (s *server) dismiss(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, p)
	p.Close()
}

// abort resets a connection. A frozen one that is closed in good order would
// linger for minutes.
func abort(p *peer) {
	_ = p.SetLinger(0)
	_ = p.Close()
}

// Read reads unless the server is slow with this connection.
func (p *peer) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	p.mu.Lock()
	slow := p.slow
	p.mu.Unlock()
	if slow != nil {
		<-slow
	}
	return n, err
}

// setSlow has reading stop, or go on.
func (p *peer) setSlow(slow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case slow && p.slow == nil:
		p.slow = make(chan struct{})
	case !slow && p.slow != nil:
		close(p.slow)
		p.slow = nil
	}
}

// answer reads a request, runs it and replies.
func (s *server) answer(p *peer) error {
	f, err := readHeader(p)
	if err == nil {
		err = readBody(p, f)
	}
	if err != nil {
		if _, bad := errors.AsType[*wrongFrame](err); bad {
			s.record(garbled, f.number)
		}
		return err
	}
	p.asked.Add(1)
	s.running.RLock()
	defer s.running.RUnlock()
	if f.number&ping == 0 {
		s.record(ran, f.number)
		time.Sleep(rand.N(mostWork))
	}
	_ = p.SetWriteDeadline(time.Now().Add(replyTimeout)) // fails if the write will
	err = p.say(frame{number: f.number, size: f.want})
	if s.isHalf(p) {
		return nil // it reads on
	}
	if err == nil {
		s.sayMore(p)
	}
	return err
}

// say writes a frame.
func (p *peer) say(f frame) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return writeFrame(p, f)
}

func (s *server) record(what record, which uint64) {
	var b [recordSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(what))
	binary.BigEndian.PutUint64(b[8:], which)
	if _, err := s.records.Write(b[:]); err != nil {
		fmt.Fprintln(os.Stderr, "soak: server: a record is lost:", err)
		os.Exit(program.Missed) // no reply must go out without it
	}
}

// close ends everything, frozen or not, and waits until it has ended.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for p := range s.conns {
		abort(p)
		p.setSlow(false)
	}
	s.mu.Unlock()
	_, _ = s.thaw() // there is nothing left to thaw but the requests
	s.wg.Wait()
}
