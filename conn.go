package hale

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/bubble"
	"example.com/hale/internal/netconn"
)

// A Conn is a TCP connection that knows when and why it died. It embeds the
// *[net.TCPConn] and behaves as that does, with one difference: the first error
// that ends the connection is kept, as a *[health.DeadError], and every later
// call returns it. The kernel itself tells it once only, to the first call that
// touches the socket, and gives later calls a bare io.EOF or EPIPE.
//
// A Conn is watched from its making to its Close (package deathwatch), so it
// also learns of a death while no call is under way: Done is closed and Err is
// set within a moment of the peer being given up. One that cannot be watched says
// why (Unwatched).
//
// Deadline errors are net's own, io.EOF from a peer that closed in good order
// is exactly io.EOF, and data that arrived before the death can still be read.
//
// A Conn that is dropped without a Close is closed by the garbage collector, as
// a net.TCPConn is; the watch does not keep it.
//
// As with any net.Conn, methods may be called by several goroutines at once.
type Conn struct {
	*net.TCPConn

	socket   syscall.RawConn
	observer *Observer
	opened   moment
	verdict  verdict
	suspect  atomic.Bool

	wroteFIN    atomic.Bool // CloseWrite was called
	closed      atomic.Bool // Close was called
	origin      origin
	calls       atomic.Int32 // of Read and Write that are under way
	copies      atomic.Int32 // from it or to it that are, and may block on the other side
	supervision atomic.Pointer[deathwatch.Supervision]
	meter       netconn.Meter
	samples     *samples // made by the watch at the first; nil if nobody wants any

	made atomic.Pointer[known]
}

var _ net.Conn = (*Conn)(nil)

// origin is how a connection came to be.
type origin uint8

const (
	fromDial origin = iota
	fromAccept
	fromOthers // by Adopt, which has not found out
)

// A moment is a time in a third of the memory of a time.Time, which every connection
// has: since the start of the program.
type moment time.Duration

var programStart = time.Now()

func momentNow() moment { return moment(time.Since(programStart)) }

func (m moment) since() time.Duration { return time.Duration(momentNow() - m) }

// newConn wraps tcp; it is not watched yet, and no option is set. The Conn is
// usable even if there is an error.
func newConn(tcp *net.TCPConn, o *Observer) (*Conn, error) {
	c := &Conn{TCPConn: tcp, observer: o, opened: momentNow()}
	if bubble.Possible() {
		c.Done() // one that is made in a bubble must not be closed from outside
	}
	socket, err := tcp.SyscallConn()
	if err == nil {
		c.socket = socket
	}
	return c, err
}

// From returns the Conn that c is, or that lies under it. It looks through
// wrappers that have a method NetConn() net.Conn, as [crypto/tls.Conn] has, or
// Raw() net.Conn, or that embed the connection under an exported name, as
// struct{ net.Conn } and struct{ *hale.Conn }; it calls no other method of theirs,
// LocalAddr neither, for it may read. If several Conns lie there it is the
// outermost. A Conn that was adopted is found where its plain connection lies. Of nil,
// and of wrappers that lead in a circle, there is none.
func From(c net.Conn) (*Conn, bool) {
	if own, ok := netconn.Find[*Conn](c); ok {
		return own, true
	}
	if tcp, ok := netconn.Find[*net.TCPConn](c); ok {
		return adoptedFrom(tcp)
	}
	return nil, false
}

// NetConn returns the *[net.TCPConn] underneath. What is read and written
// there directly is not seen by the Conn, and that it was closed there is seen by the
// next Read or Write, or by the watch, within the promise. The watch ends with the
// Conn: keep that, too.
func (c *Conn) NetConn() net.Conn { return c.TCPConn }

// SyscallConn returns the socket, as [net.TCPConn.SyscallConn] does. What is read and
// written there is not seen by the Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.socket == nil {
		return nil, syscall.EINVAL // as net.TCPConn says
	}
	return (*plainRawConn)(c), nil
}

// plainRawConn hides by what package os knows a socket of package net: io.Copy from an
// [os.File] would have the kernel write past the Conn, which is to count what is sent
// and to say why it fails. By ReadFrom it is a sendfile(2) all the same. It is the Conn
// itself, so that nobody who asks for it allocates.
type plainRawConn Conn

func (r *plainRawConn) Control(f func(fd uintptr)) error           { return r.socket.Control(f) }
func (r *plainRawConn) Read(f func(fd uintptr) (done bool)) error  { return r.socket.Read(f) }
func (r *plainRawConn) Write(f func(fd uintptr) (done bool)) error { return r.socket.Write(f) }

// Info returns what the kernel knows about the connection now; see
// [health.Inspect].
func (c *Conn) Info() (health.Info, error) { return health.Inspect(c.socket) }

// Read reads as [net.TCPConn.Read] does; the error is the reason of the
// connection's death if it has died.
func (c *Conn) Read(b []byte) (int, error) {
	c.calls.Add(1)
	n, err := c.TCPConn.Read(b)
	if err != nil {
		return n, c.failCall(err)
	}
	c.calls.Add(-1)
	return n, nil
}

// Write writes as [net.TCPConn.Write] does; the error is the reason of the
// connection's death if it has died.
//
// A nil error means that the kernel took the data, not that the peer has it.
func (c *Conn) Write(b []byte) (int, error) {
	c.calls.Add(1)
	n, err := c.TCPConn.Write(b)
	c.meter.Wrote(int64(n))
	if err != nil {
		return n, c.failCall(err)
	}
	c.calls.Add(-1)
	return n, nil
}

// Meter is for hale's own packages: the calls that failed, the bytes that were
// written, and the deadlines, which pools and heartbeats need to hand the
// connection from one user to the next.
func (c *Conn) Meter() *netconn.Meter { return &c.meter }

// CloseWrite shuts down the writing side: the peer reads io.EOF, and can still
// send. The error is the reason of the connection's death if it has died.
func (c *Conn) CloseWrite() error {
	before := c.wroteFIN.Swap(true)
	err := c.TCPConn.CloseWrite()
	if err != nil {
		c.wroteFIN.Store(before)
	}
	return c.orDeath(err)
}

// CloseRead shuts down the reading side, as [net.TCPConn.CloseRead] does. The error
// is the reason of the connection's death if it has died.
func (c *Conn) CloseRead() error { return c.orDeath(c.TCPConn.CloseRead()) }

// orDeath is for calls whose own error says no more than that there is no connection.
func (c *Conn) orDeath(err error) error {
	if err != nil {
		_ = c.look()
	}
	if dead := c.verdict.final(); dead != nil && dead.Cause != health.LocalClosed {
		return dead
	}
	return err
}

// Close closes the connection. Blocked calls return; the reason of an earlier
// death stays.
func (c *Conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.stopWatch()
		defer c.noteClosed() // though a callback panics before
	}
	err := c.TCPConn.Close()
	c.end(c.closedHere) // whoever is told that it was closed finds it so
	return err
}

func (c *Conn) noteClosed() {
	dead := c.end(c.closedHere)
	if dead.Cause == health.LocalClosed {
		dead = nil
	}
	if c.observer.set().Closed != nil {
		news.Do(c, func() { c.observer.closed(ClosedInfo{Conn: c, Err: dead, Open: c.opened.since()}) })
	}
}

// SetDeadline sets both deadlines, as [net.TCPConn.SetDeadline] does.
func (c *Conn) SetDeadline(t time.Time) error {
	c.meter.SetDeadlines(&t, &t)
	return c.TCPConn.SetDeadline(t)
}

// SetReadDeadline sets the deadline of Read, as
// [net.TCPConn.SetReadDeadline] does.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.meter.SetDeadlines(&t, nil)
	return c.TCPConn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of Write, as
// [net.TCPConn.SetWriteDeadline] does.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.meter.SetDeadlines(nil, &t)
	return c.TCPConn.SetWriteDeadline(t)
}
