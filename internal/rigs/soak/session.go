package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// A session is what is pooled: a connection, and what it is in the middle of.
type session struct {
	conn  net.Conn
	owed  uint64    // the request whose reply is still to come, or 0
	torn  bool      // a frame was written or read in part
	uses  int       // requests that it was acquired for
	since time.Time // from when on the server may have said something unasked; zero is for ever
}

// pings numbers them.
var pings atomic.Uint64

// open is the pool's Open: a connection counts once the server has answered.
func open(ctx context.Context, conn net.Conn) (*session, error) {
	s := &session{conn: conn}
	return s, check(ctx, s)
}

// check is the pool's Check. It takes what lay unread before for an answer to
// somebody else, as every protocol has to that does not number its requests.
func check(_ context.Context, s *session) error {
	s.since = time.Now()
	return s.ping()
}

func (s *session) ping() error { return s.call(frame{number: ping | pings.Add(1)}) }

var errTorn = errors.New("a frame was written or read in part")

// resync is the pool's Reset. It gets rid of a reply that is still to come,
// which comes before the one to a ping.
func resync(_ context.Context, s *session) error {
	if s.torn {
		return errTorn
	}
	s.since = time.Time{}
	return s.ping()
}

// exchange sends a request and reads its reply, until the deadline.
func (s *session) exchange(deadline time.Time, request frame) error {
	if s.owed != 0 {
		return wrong("%v got a connection on which the reply to %v is still to come", number(request.number), number(s.owed))
	}
	s.uses++
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	return s.call(request)
}

// call sends a request and reads frames up to its reply; before that comes
// none but the one that was owed, and what the server says meanwhile.
func (s *session) call(request frame) error {
	s.torn = true
	if err := writeFrame(s.conn, request); err != nil {
		return err
	}
	s.torn = false
	owed := s.owed
	s.owed = request.number
	var stale error
	for {
		got, err := s.read()
		switch {
		case err != nil:
			return err
		case got.number == owed:
			owed = 0
		case got.number == refusal:
			return errFull
		case got.number&(ping|notice) == notice:
			stale = cmp.Or(stale, s.overheard(request.number, said(got.number)))
		case got.number != request.number:
			return wrong("asked %v, got the reply to %v", number(request.number), number(got.number))
		case got.size != request.want:
			return wrong("asked %v for %d bytes, got %d", number(request.number), request.want, got.size)
		default:
			s.owed = 0
			return stale
		}
	}
}

// errFull is what a server says that takes no more connections.
var errFull = errors.New("the server is full")

// onItsWay is how long a busy machine may take from what the server says to
// what can be read.
const onItsWay = 50 * time.Millisecond

// overheard is what the server has said unasked. If it was said before the
// session was acquired, that should have been seen.
func (s *session) overheard(asked uint64, at time.Time) error {
	if lay := s.since.Sub(at); !s.since.IsZero() && lay > onItsWay {
		return wrong("asked %v, in use %d of its connection, got what the server had said unasked %.3f s before that was asked for", number(asked), s.uses, lay.Seconds())
	}
	return nil
}

func (s *session) read() (frame, error) {
	f, err := readHeader((*header)(s))
	if err != nil {
		return f, err
	}
	if err := readBody(s.conn, f); err != nil {
		return f, err
	}
	s.torn = false
	return f, nil
}

// header is a session whose next bytes are those of a header: with the first
// of them it is torn.
type header session

func (h *header) Read(b []byte) (int, error) {
	n, err := h.conn.Read(b)
	h.torn = h.torn || n > 0
	return n, err
}
