package hale

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"
	"weak"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// Adopt makes a [*Conn] of a TCP connection that exists: one that a library has
// dialled or accepted by itself, or of [net.FileConn]. c is a *[net.TCPConn]; use the
// Conn in its place from now on. For a connection that is a Conn, or was adopted
// before, it returns that Conn as it is. Of d, KeepAlive, Strict and Observer count.
//
// The connection may be half-closed or dead, which Err says at once. Somebody else may
// go on reading and writing on c: what they are given the Conn still learns. Deadlines
// stay as they are. Bytes may have been sent before, so that nothing that uses the
// connection counts as safe to retry. If what was sent is not acknowledged when it is
// adopted, nobody can tell which side dialled, and so not surely a reset from an orderly
// end, later, where somebody else was given the error.
//
// The error is a *[net.OpError] and names what is wrong: KeepAlive is out of range, c
// is closed ([net.ErrClosed]), d is Strict and an option or the watch cannot be had, or
// c is watched already ([deathwatch.ErrWatched]: it lies under a Conn, which is to be
// used instead, or has a [deathwatch.Watch] of its own, which is to be stopped), or c is
// nil or of another kind ([errors.ErrUnsupported]): adopt what lies under a wrapper, as
// under TLS, before it is wrapped. c stays open, with the options that were set.
func (d *Dialer) Adopt(c net.Conn) (*Conn, error) {
	switch own := c.(type) {
	case *Conn:
		if own == nil {
			break
		}
		return own, nil
	case *net.TCPConn:
		if own == nil {
			break
		}
		adopted, err := d.adoptOnce(own)
		if err != nil {
			return nil, &net.OpError{Op: "adopt", Net: "tcp", Source: own.LocalAddr(), Addr: own.RemoteAddr(), Err: err}
		}
		return adopted, nil
	}
	return nil, &net.OpError{Op: "adopt", Net: "tcp", Err: notTCP(c)}
}

// notTCP says what to do about a connection that is no TCP connection, or not by itself.
func notTCP(c net.Conn) error {
	switch c.(type) {
	case *Conn, *net.TCPConn:
		return fmt.Errorf("a nil %T: %w", c, errors.ErrUnsupported)
	}
	if _, ok := netconn.Find[*net.TCPConn](c); ok {
		return fmt.Errorf("%T is a wrapper: adopt the connection that it wraps: %w", c, errors.ErrUnsupported)
	}
	return fmt.Errorf("%T is not a *net.TCPConn: %w", c, errors.ErrUnsupported)
}

// adopted are the Conns that Adopt has made, as long as somebody has them.
var adopted struct {
	mu    sync.Mutex // guards conns; held while one is made, so that there is one of each
	conns map[weak.Pointer[net.TCPConn]]weak.Pointer[Conn]
}

func (d *Dialer) adoptOnce(tcp *net.TCPConn) (*Conn, error) {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	key := weak.Make(tcp)
	if c := adopted.conns[key].Value(); c != nil {
		return c, nil
	}
	c, err := d.adoptNew(tcp)
	if err != nil {
		return nil, err
	}
	if adopted.conns == nil {
		adopted.conns = make(map[weak.Pointer[net.TCPConn]]weak.Pointer[Conn])
	}
	adopted.conns[key] = weak.Make(c)
	runtime.AddCleanup(tcp, forgetAdopted, key)
	return c, nil
}

// adoptedFrom returns the Conn that was made of tcp.
func adoptedFrom(tcp *net.TCPConn) (*Conn, bool) {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	c := adopted.conns[weak.Make(tcp)].Value()
	return c, c != nil
}

func forgetAdopted(key weak.Pointer[net.TCPConn]) {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	delete(adopted.conns, key)
}

func (d *Dialer) adoptNew(tcp *net.TCPConn) (*Conn, error) {
	if _, err := planFor(d.KeepAlive, 0); err != nil {
		return nil, err
	}
	if listens(tcp) {
		return nil, fmt.Errorf("a socket that listens is no connection: %w", errors.ErrUnsupported)
	}
	c, err := newConn(tcp, d.Observer)
	if c.origin = fromOthers; err == nil {
		err = c.hold(d.KeepAlive, false)
	}
	if err == nil {
		c.origin = originOf(c.Info())
		err = c.begin(d.KeepAlive, d.Strict)
	}
	if err != nil {
		return nil, err
	}
	c.catchUp()
	return c, nil
}

// originOf finds out how a connection came to be: all that was sent is acknowledged, and
// of a side that dialled its SYN, which counts as a byte.
func originOf(info health.Info, err error) origin {
	if open := info.State.String() == "ESTABLISHED" || info.State == health.TCPCloseWait; err != nil || !open || info.Unacked > 0 {
		return fromOthers
	}
	switch info.BytesAcked - (info.BytesSent - info.BytesRetransmitted) {
	case 0:
		return fromAccept
	case 1:
		return fromDial
	}
	return fromOthers
}

// catchUp finds out what has happened to a connection before it was ours. It is called
// under a lock, so that hooks are told on another goroutine.
func (c *Conn) catchUp() {
	info, err := c.Info()
	c.meter.Wrote(int64(max(info.BytesSent, 1))) // where it is not told, too
	if err == nil && sentFIN(info.State) {
		c.wroteFIN.Store(true)
	}
	if c.lookBy(news.Go) != nil || err != nil {
		return
	}
	// What is unread hides the end that came behind it.
	over := info.State == health.TCPClose
	if over && c.endBy(news.Go, func() *health.DeadError { return c.diagnose(io.EOF) }) != nil {
		return
	}
	if over || gotFIN(info.State) {
		c.peerClosedBy(news.Go, c.described(health.DeadError{
			Cause: health.PeerClosed, Op: "check", Silence: info.Silence(), Detected: time.Now(), Info: info, Err: io.EOF,
		}))
	}
}

// listens is true of what [net.FileConn] makes of a listener's socket.
func listens(tcp *net.TCPConn) bool {
	socket, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	info, err := health.Inspect(socket)
	return err == nil && info.State.String() == "LISTEN"
}

// sentFIN: FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSING.
func sentFIN(s health.TCPState) bool { return s == 4 || s == 5 || s == 6 || s == 9 || s == 11 }

// gotFIN: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING.
func gotFIN(s health.TCPState) bool {
	return s == 6 || s == health.TCPCloseWait || s == 9 || s == 11
}
