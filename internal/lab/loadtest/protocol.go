// Package loadtest puts a pool of connections under a load that can tell
// whether anything went wrong: every request has a number of its own, every
// reply repeats it, and the servers count what reaches them twice. A [Server]
// can be frozen in the middle of it.
//
// A request is a number of 8 bytes. Its reply is 64 bytes: the number, eight
// times, so that one pieced together of two replies does not pass.
package loadtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

const (
	requestSize = 8
	replySize   = 64
)

// A CrossedError is a reply to another request.
type CrossedError struct{ Asked, Got uint64 }

func (e *CrossedError) Error() string {
	return fmt.Sprintf("loadtest: asked %d, got the reply to %d", e.Asked, e.Got)
}

// Exchange sends a request over c and reads its reply. The error is the
// connection's, or a *[CrossedError].
func Exchange(c net.Conn, number uint64) error {
	var b [replySize]byte
	request := b[:requestSize]
	binary.BigEndian.PutUint64(request, number)
	if _, err := c.Write(request); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	for i := 0; i < replySize; i += requestSize {
		if got := binary.BigEndian.Uint64(b[i:]); got != number {
			return &CrossedError{Asked: number, Got: got}
		}
	}
	return nil
}

// Answer runs the requests that come by c and enters them into account, until c
// fails.
func Answer(c net.Conn, account *Account) {
	for {
		number, err := next(c)
		if err != nil {
			return
		}
		account.enter(number)
		if err := reply(c, number); err != nil {
			return
		}
	}
}

// answer is Answer for a server that may be frozen meanwhile.
func (s *Server) answer(c net.Conn) {
	for s.answerOne(c) == nil {
	}
}

func (s *Server) answerOne(c net.Conn) error {
	number, err := next(c)
	if err != nil {
		return err
	}
	s.running.RLock()
	defer s.running.RUnlock()
	s.account.enter(number)
	return reply(c, number)
}

// next reads a request.
func next(c net.Conn) (number uint64, err error) {
	var b [requestSize]byte
	_, err = io.ReadFull(c, b[:])
	return binary.BigEndian.Uint64(b[:]), err
}

// reply sends the reply to a request.
func reply(c net.Conn, number uint64) error {
	var b [replySize]byte
	for i := 0; i < replySize; i += requestSize {
		binary.BigEndian.PutUint64(b[i:], number)
	}
	_, err := c.Write(b[:])
	return err
}
