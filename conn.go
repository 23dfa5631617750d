package hale

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// A Conn is a TCP connection that knows why it died. It embeds the
// *[net.TCPConn] and behaves as that does, with one difference: the first
// error that ends the connection is kept, as a *[health.DeadError], and every
// later call returns it. The kernel itself tells it once only, to whoever
// comes first, and gives others a bare io.EOF or EPIPE.
//
// Deadline errors are net's own, io.EOF from a peer that closed in good order
// is exactly io.EOF, and data that arrived before the death can still be read.
//
// As with any net.Conn, methods may be called by several goroutines at once.
type Conn struct {
	*net.TCPConn

	report   sockopt.Report
	observer *Observer
	opened   time.Time

	// verdict is why the connection cannot be used again: its death, or that
	// the peer has closed its side, which a death may still replace. It is
	// final once done is closed.
	verdict atomic.Pointer[health.DeadError]
	done    chan struct{}
	mu      sync.Mutex // guards changes of verdict and done; no call-outs under it

	wroteFIN atomic.Bool // CloseWrite was called
	closed   atomic.Bool // Close was called
}

var _ net.Conn = (*Conn)(nil)

// newConn applies the plan and wraps tcp. The Conn is usable even if there is
// an error, which then says that tcp could not be set up at all.
func newConn(tcp *net.TCPConn, plan sockopt.Plan, o *Observer) (*Conn, error) {
	c := &Conn{TCPConn: tcp, observer: o, opened: time.Now(), done: make(chan struct{})}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c, err
	}
	c.report, err = plan.Apply(raw)
	return c, err
}

// From returns the Conn that c is, or that lies under it: it looks through
// wrappers that have a NetConn method, as [crypto/tls.Conn] has.
func From(c net.Conn) (*Conn, bool) {
	for {
		if conn, ok := c.(*Conn); ok {
			return conn, true
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, false
		}
		c = w.NetConn()
	}
}

// NetConn returns the *[net.TCPConn] underneath. What is read and written
// there directly is not seen by the Conn.
func (c *Conn) NetConn() net.Conn { return c.TCPConn }

// Report says which options were asked for and what the operating system made
// of them. It was taken when the connection was made.
func (c *Conn) Report() sockopt.Report { return c.report }

// Info returns what the kernel knows about the connection now; see
// [health.Inspect].
func (c *Conn) Info() (health.Info, error) {
	raw, err := c.TCPConn.SyscallConn()
	if err != nil {
		return health.Info{}, err
	}
	return health.Inspect(raw)
}

// Read reads as [net.TCPConn.Read] does; the error is the reason of the
// connection's death if it has died.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

// Write writes as [net.TCPConn.Write] does; the error is the reason of the
// connection's death if it has died.
//
// A nil error means that the kernel took the data, not that the peer has it.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

// CloseWrite shuts down the writing side: the peer reads io.EOF, and can still
// send.
func (c *Conn) CloseWrite() error {
	c.wroteFIN.Store(true)
	return c.TCPConn.CloseWrite()
}

// Close closes the connection. Blocked calls return; the reason of an earlier
// death stays.
func (c *Conn) Close() error {
	err := c.TCPConn.Close()
	if !c.closed.CompareAndSwap(false, true) {
		return err
	}
	dead := c.end(&health.DeadError{Cause: health.LocalClosed, Op: "close", Detected: time.Now(), Err: net.ErrClosed})
	if dead.Cause == health.LocalClosed {
		dead = nil
	}
	c.observer.closed(ClosedInfo{Conn: c, Err: dead, Open: time.Since(c.opened)})
	return err
}

// Err returns nil as long as the connection can be used, and then the reason
// why not, a *[health.DeadError]: its death, that it was closed, or that the
// peer has closed its side ([health.PeerClosed]; what the peer has sent can
// still be read then, and writing may still be allowed). It never blocks and
// consumes nothing.
func (c *Conn) Err() error {
	if v := c.verdict.Load(); v != nil {
		return v
	}
	return c.look()
}

// Done returns a channel that is closed when the connection has died or was
// closed. That the peer has closed its side is neither.
func (c *Conn) Done() <-chan struct{} { return c.done }

// State returns [health.Dead] once Done is closed.
func (c *Conn) State() health.State {
	if c.death() != nil {
		return health.Dead
	}
	return health.Alive
}

// death returns the final verdict, or nil.
func (c *Conn) death() *health.DeadError {
	select {
	case <-c.done:
		return c.verdict.Load()
	default:
		return nil
	}
}

// fail turns an error of the socket into the one to return.
func (c *Conn) fail(err error) error {
	if c.missedIt(err) {
		c.awaitVerdict()
	}
	if dead := c.death(); dead != nil {
		return keep(dead, err)
	}
	dead := health.Diagnose(c.TCPConn, err)
	switch {
	case dead != nil:
		return keep(c.end(dead), err)
	case err == io.EOF:
		c.peerClosed(err)
	}
	return err
}

// keep returns the verdict, except that a call on a connection which this side
// has closed gets net's own error.
func keep(dead *health.DeadError, err error) error {
	if dead.Cause == health.LocalClosed {
		return err
	}
	return dead
}

// missedIt reports whether err is what follows a death whose real error was
// given to somebody else: another call, which is about to leave its verdict.
func (c *Conn) missedIt(err error) bool {
	if err != io.EOF && !errors.Is(err, errBroken) || c.wroteFIN.Load() || c.death() != nil {
		return false
	}
	info, ierr := c.Info()
	return ierr == nil && info.State == health.TCPClose
}

// verdictGrace bounds the wait for a verdict that another goroutine is about
// to leave. It is long because it is hardly ever used up: only by a peer that
// closed, and then reset what was written to it before anybody read.
const verdictGrace = 100 * time.Millisecond

func (c *Conn) awaitVerdict() {
	t := time.NewTimer(verdictGrace)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
	}
}

// look asks the socket, and keeps what it says.
func (c *Conn) look() error {
	var dead *health.DeadError
	if !errors.As(health.Check(c.TCPConn), &dead) {
		return nil
	}
	if errors.Is(dead.Err, io.EOF) {
		return c.peerClosed(dead.Err)
	}
	return c.end(dead)
}

// peerClosed records that the peer has closed its side.
func (c *Conn) peerClosed(err error) *health.DeadError {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.verdict.Load(); v != nil {
		return v
	}
	v := &health.DeadError{Cause: health.PeerClosed, Op: "read", Detected: time.Now(), Err: err}
	c.verdict.Store(v)
	return v
}

// end makes dead the final verdict, unless there is one, and returns what is.
func (c *Conn) end(dead *health.DeadError) *health.DeadError {
	final, first := c.settle(dead)
	if first && final.Cause != health.LocalClosed {
		c.observer.dead(DeadInfo{Conn: c, Err: final})
	}
	return final
}

func (c *Conn) settle(dead *health.DeadError) (final *health.DeadError, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.death(); v != nil {
		return v, false
	}
	c.verdict.Store(dead)
	close(c.done)
	return dead, true
}
