package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// A session is what is pooled: a connection, and what it is in the middle of.
type session struct {
	conn net.Conn
	owed uint64 // the request whose reply is still to come, or 0
	torn bool   // a frame was written or read in part
}

// pings numbers them.
var pings atomic.Uint64

// open is the pool's Open: a connection counts once the server has answered.
func open(ctx context.Context, conn net.Conn) (*session, error) {
	s := &session{conn: conn}
	return s, check(ctx, s)
}

// check is the pool's Check.
func check(_ context.Context, s *session) error {
	return s.call(frame{number: ping | pings.Add(1)})
}

var errTorn = errors.New("a frame was written or read in part")

// resync is the pool's Reset. It gets rid of a reply that is still to come,
// which comes before the one to a ping.
func resync(ctx context.Context, s *session) error {
	if s.torn {
		return errTorn
	}
	return check(ctx, s)
}

// exchange sends a request and reads its reply, until the deadline.
func (s *session) exchange(deadline time.Time, request frame) error {
	if s.owed != 0 {
		return wrong("%v got a connection on which the reply to %v is still to come", number(request.number), number(s.owed))
	}
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	return s.call(request)
}

// call sends a request and reads frames up to its reply; before that comes
// none but the one that was owed.
func (s *session) call(request frame) error {
	s.torn = true
	if err := writeFrame(s.conn, request); err != nil {
		return err
	}
	s.torn = false
	owed := s.owed
	s.owed = request.number
	for {
		got, err := s.read()
		switch {
		case err != nil:
			return err
		case got.number == owed:
			owed = 0
		case got.number != request.number:
			return wrong("asked %v, got the reply to %v", number(request.number), number(got.number))
		case got.size != request.want:
			return wrong("asked %v for %d bytes, got %d", number(request.number), request.want, got.size)
		default:
			s.owed = 0
			return nil
		}
	}
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
