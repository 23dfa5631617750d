package deathwatch

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
	"example.com/hale/internal/notify"
)

// ErrWatched says that a connection is watched already: a connection has one
// watch. A hale.Conn has its own, which Watch joins.
var ErrWatched = errors.New("deathwatch: connection is watched already")

// Watch calls dead when c dies, within a moment of the kernel giving it up,
// although no call reads or writes. If the peer closes its side in good order,
// which is no death, dead is called with [health.PeerClosed] first, and again
// if a death follows. A watched connection costs nothing on its data path.
//
// c has a socket, itself or under wrappers as [health.Check] knows; the error
// matches [errors.ErrUnsupported] if not, and says what to do. It does so too
// for a socket that is not TCP on Linux, and for one that carries datagrams on
// other systems. It is [ErrWatched], [net.ErrClosed], or that of a system call
// otherwise.
//
// dead may make any call, and may block: that holds up what is told to it, and nothing
// else, unless a thousand of them do. The kernel tells the error of a death once, so a
// call on a plain connection may get a bare io.EOF after the watch has been told the
// cause.
//
// Once stop has returned, dead is not running and will not be called (unless
// stop was called by dead). stop may be called more than once, on any
// goroutine; call it before c is closed, or else the watch ends at its own next
// look, within minutes. The watch keeps c from being collected as garbage until
// then.
//
// On Linux the kernel tells (epoll(7), EPOLLRDHUP). Elsewhere the connection
// is looked at every second, by [health.Check].
func Watch(c net.Conn, dead func(*health.DeadError)) (stop func(), err error) {
	if own, ok := netconn.Find[interface {
		Watch(dead func(*health.DeadError)) (stop func())
	}](c); ok {
		return own.Watch(dead), nil
	}
	socket, ok := netconn.Find[rawSocket](c)
	if !ok {
		return nil, fmt.Errorf("deathwatch: watch: %w", netconn.NoSocket(c))
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	call := notify.New(dead)
	supervision, err := Supervise(plain{&plainSubject{rawSocket: socket, raw: raw, call: call}})
	if err != nil {
		return nil, err
	}
	return func() { supervision.Stop(); call.Stop() }, nil
}

// watchError is an error that the watch has met on s.
func watchError(s net.Conn, err error) error {
	return &net.OpError{Op: "watch", Net: s.LocalAddr().Network(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

// rawSocket is a connection with a socket of its own.
type rawSocket interface {
	net.Conn
	syscall.Conn
}

// plain is a [Ref] to a connection of which there is nothing else to keep.
type plain struct{ *plainSubject }

func (p plain) Subject() Subject { return p.plainSubject }
func (p plain) Dropped()         {}

// plainSubject is the Subject of Watch.
type plainSubject struct {
	rawSocket
	raw  syscall.RawConn
	call *notify.Call[*health.DeadError]
}

func (s *plainSubject) Socket() syscall.RawConn        { return s.raw }
func (s *plainSubject) Limits() Limits                 { return Limits{} }
func (s *plainSubject) PeerClosed(e *health.DeadError) { s.tell(e) }
func (s *plainSubject) Dead(find func() *health.DeadError) *health.DeadError {
	dead := find()
	if dead != nil && dead.Cause != health.LocalClosed { // who closes it knows
		s.tell(dead)
	}
	return dead
}
func (s *plainSubject) tell(e *health.DeadError) { news.Go(s.call, func() { s.call.Fire(e) }) }
func (s *plainSubject) Suspect(health.Info)      {}
func (s *plainSubject) Recovered(health.Info)    {}
func (s *plainSubject) Sampled(health.Info)      {}

// news is what the functions of Watch are told in, so that one that blocks does not
// hold up the watch.
var news notify.Lines
