package pool

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// sight is what a look at a socket has shown.
type sight uint8

const (
	clean  sight = iota // nothing to read, or what may lie there: a TLS record that may be a ticket
	unread              // the peer has sent something that nobody has read
	ended               // the connection is over
)

// peeker looks at what there is to read on a connection, without reading it. It keeps
// what a look needs, so that a look allocates nothing.
type peeker struct {
	look func(fd uintptr)

	// Of the last look.
	head [recordHeader]byte
	n    int
	err  error
}

var peekers = sync.Pool{New: func() any {
	p := new(peeker)
	p.look = func(fd uintptr) { p.n, p.err = peek(fd, &p.head) }
	return p
}}

// errNothing is a look that has seen nothing to read.
var errNothing = errors.New("pool: nothing to read")

// peekable returns conn's socket, if it has one that can be looked at, or nil.
func peekable(conn net.Conn) syscall.RawConn {
	sc, ok := netconn.Find[syscall.Conn](conn)
	if !ok || !canPeek {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// see looks at a socket, or sees nothing where there is none.
func see(raw syscall.RawConn) (sight, error) {
	if raw == nil {
		return clean, nil
	}
	p := peekers.Get().(*peeker)
	defer peekers.Put(p)
	if err := raw.Control(p.look); err != nil {
		return ended, err
	}
	switch {
	case p.err == errNothing:
		return clean, nil
	case p.err != nil:
		return ended, os.NewSyscallError("recvfrom", p.err)
	case p.n == 0:
		return ended, io.EOF
	}
	return classify(p.head[:p.n])
}

const (
	recordHeader = 5 // of a TLS record: its type, 3, the minor version, and a length of two bytes
	tlsAlert     = 0x15
	tlsData      = 0x17
	// alertLength is that of an alert in TLS 1.3: two bytes, the true type and the
	// tag. It looks as data does.
	alertLength = 2 + 1 + 16
)

// errAlert is what a TLS peer says before it closes.
var errAlert = errors.New("pool: unread TLS alert")

// classify tells unread bytes by the first of them. A TLS record may be a
// session ticket, which every server sends unasked and the next Read takes
// unseen; anything else is a late reply, or something that was said unasked.
func classify(head []byte) (sight, error) {
	if len(head) < 3 || head[0] < 0x14 || head[0] > tlsData || head[1] != 3 || head[2] > 4 {
		return unread, nil
	}
	switch {
	case head[0] == tlsAlert:
		return ended, errAlert
	case head[0] == tlsData && len(head) == recordHeader && int(head[3])<<8|int(head[4]) == alertLength:
		return unread, nil
	}
	return clean, nil
}

// look looks at the slot's socket for its owner, until it has seen something:
// the kernel tells an error once.
func (s *slot[T]) look() sight {
	fresh := !s.spoken && !s.served && !s.used.Load()
	if s.sight != clean || fresh && s.vital != nil {
		return s.sight // of a fresh one nothing was asked
	}
	seen, err := see(s.peek)
	switch {
	case seen == ended && err != nil:
		if s.end = s.ended(err); s.end == nil {
			return clean // an error that the connection survived, such as an ICMP message
		}
	case seen == unread && (s.keepUnread || fresh):
		return clean // it may speak unasked; or its greeting is for the first caller
	}
	s.sight = seen
	return seen
}

// ended is the death that an error of a look stands for, or nil.
func (s *slot[T]) ended(err error) *health.DeadError {
	dead := &health.DeadError{Cause: health.PeerClosed, Op: "acquire", Detected: time.Now(), Peer: s.addr, Err: err}
	if errors.Is(err, net.ErrClosed) {
		dead.Cause = health.LocalClosed
		return dead
	}
	if err != errAlert {
		if died := health.Diagnose(netconn.Innermost(s.conn), err); died != nil || err != io.EOF {
			return died
		}
	}
	if s.info != nil {
		dead.Info, _ = s.info.Info()
		dead.Silence = dead.Info.Silence()
	}
	return dead
}
