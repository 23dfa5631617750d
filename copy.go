package hale

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"

	"example.com/hale/health"
)

// ReadFrom copies from r until io.EOF, as [net.TCPConn.ReadFrom] does: by
// splice(2) from another connection and sendfile(2) from a file, where the
// operating system has them. If the copy fails because a Conn on either side
// of it died, the error is the reason of that death. An error of r's own is
// returned as it is, and the death of c with it if it had died before.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	src, peer := bareReader(r)
	c.copying(1)
	peer.copying(1)
	defer c.copying(-1)
	defer peer.copying(-1)
	n, err := c.TCPConn.ReadFrom(src)
	c.meter.Wrote(n)
	coverReader(r, peer)
	if err == nil {
		return n, peer.copyEnd(r)
	}
	return n, copyError(err, src, c, peer)
}

// WriteTo copies to w until io.EOF, as [net.TCPConn.WriteTo] does. If the copy
// fails because a Conn on either side of it died, the error is the reason of
// that death. An error of w's own is returned as it is, and the death of c with it
// if it had died before.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	dst, peer := bareWriter(w)
	c.copying(1)
	peer.copying(1)
	defer c.copying(-1)
	defer peer.copying(-1)
	n, err := c.TCPConn.WriteTo(dst)
	if peer != nil {
		peer.meter.Wrote(n) // past its methods
	}
	if err == nil {
		return n, c.copyEnd(c)
	}
	return n, copyError(err, dst, c, peer)
}

// copying counts the copies from c or to c that are under way; c may be nil.
func (c *Conn) copying(n int32) {
	if c != nil {
		c.copies.Add(n)
	}
}

// bareReader takes a Conn out of r, so that package net, which splices only
// between its own types, knows it. coverReader must be called after the copy: a
// reader of io.CopyN, which whoever copies has for himself, is lent without its Conn,
// for another one would be an allocation.
func bareReader(r io.Reader) (src io.Reader, peer *Conn) {
	if runtime.GOOS != "linux" { // nothing to gain
		return r, nil
	}
	switch r := r.(type) {
	case *Conn:
		return r.TCPConn, r
	case *io.LimitedReader: // io.CopyN
		if conn, ok := r.R.(*Conn); ok {
			r.R = conn.TCPConn
			return r, conn
		}
	}
	return r, nil
}

// coverReader puts the Conn back.
func coverReader(r io.Reader, peer *Conn) {
	if limited, ok := r.(*io.LimitedReader); ok && peer != nil {
		limited.R = peer
	}
}

func bareWriter(w io.Writer) (dst io.Writer, peer *Conn) {
	if conn, ok := w.(*Conn); ok && runtime.GOOS == "linux" {
		return conn.TCPConn, conn
	}
	return w, nil
}

// copyEnd looks twice at the end of a copy from c, nil for a source that is no
// Conn: a stream may have ended by a death whose error somebody else was given,
// and the copy before the stream, at its limit or as its destination has it.
func (c *Conn) copyEnd(r io.Reader) error {
	if limited, ok := r.(*io.LimitedReader); c == nil || ok && limited.N <= 0 {
		return nil
	}
	if c.look() == nil {
		return nil // there is more to be read, or to come
	}
	if err := c.failCopy(io.EOF); err != io.EOF {
		return err
	}
	return nil
}

// failCopy is fail for a call that may block on somebody else's reader or writer,
// and so is not counted among those under way before.
func (c *Conn) failCopy(err error) error {
	c.calls.Add(1)
	return c.failCall(err)
}

// copyError finds out whose death an error was: the kernel tells, and where it
// does not, the addresses in the error do. other is what a Conn was copied from
// or to.
func copyError(err error, other any, sides ...*Conn) error {
	op, cause := unwrapOps(err)
	if dead, ok := cause.(*health.DeadError); ok {
		return dead // a Conn said it, and package net put its own addresses around it
	}
	if isForeign(op, cause, other, sides) {
		return withDeath(err, sides)
	}
	for _, c := range sides {
		if c != nil && c.isOver(err) {
			return c.failCopy(c.readdress(err))
		}
	}
	return err
}

// unwrapOps returns what package net has put around an error: the innermost of
// it, and the error.
func unwrapOps(err error) (op *net.OpError, cause error) {
	for cause = err; ; cause = op.Err {
		inner, ok := cause.(*net.OpError)
		if !ok {
			return op, cause
		}
		op = inner
	}
}

// isForeign reports whether the error is of a reader or writer that is no Conn.
// A call on a connection names it. What has no name but that of the whole copy is
// of the kernel, which splices between two sockets, or of the other side.
func isForeign(op *net.OpError, cause error, other any, sides []*Conn) bool {
	if op == nil {
		return true
	}
	if op.Op == "read" || op.Op == "write" {
		return !slices.ContainsFunc(sides, func(c *Conn) bool { return c != nil && c.isNamedIn(op) })
	}
	return !isSpliced(other) || !isSocketError(cause)
}

// isSpliced reports whether the kernel may copy from or to other by itself.
func isSpliced(other any) bool {
	switch other.(type) {
	case syscall.Conn, *io.LimitedReader:
		return true
	}
	return false
}

// isSocketError reports whether package net could have said so of a descriptor, or an
// os.File that the kernel splices into: that puts its own name to what the socket said.
func isSocketError(err error) bool {
	if file, ok := err.(*os.PathError); ok {
		cause := health.Classify(file.Err)
		return cause != health.Unknown && cause != health.PeerClosed // EPIPE is of a pipe
	}
	_, call := err.(*os.SyscallError)
	return call || err == os.ErrDeadlineExceeded || err == net.ErrClosed
}

// withDeath returns the error of somebody else, and with it the death of a side
// that was over before.
func withDeath(err error, sides []*Conn) error {
	for _, c := range sides {
		if c == nil {
			continue
		}
		if dead := c.verdict.final(); dead != nil && dead.Cause != health.LocalClosed {
			return fmt.Errorf("%w; %w", err, dead)
		}
	}
	return err
}

// isOver reports whether c has died, by err perhaps.
func (c *Conn) isOver(err error) bool {
	info, ierr := c.Info()
	switch {
	case c.verdict.decided() != nil:
		return true
	case ierr == nil:
		return info.State == health.TCPClose
	}
	return c.isNamedIn(err)
}

// isNamedIn reports whether err began on c. Package net puts the addresses of
// each connection that an error passes through around it.
func (c *Conn) isNamedIn(err error) bool {
	var op *net.OpError
	for inner := err; errors.As(inner, &op); inner = op.Err {
	}
	return op != nil && sameAddr(op.Source, c.LocalAddr()) && sameAddr(op.Addr, c.RemoteAddr())
}

func sameAddr(a, b net.Addr) bool { return a != nil && b != nil && a.String() == b.String() }

// readdress puts c's addresses into an error that has those of the connection
// which did the copying.
func (c *Conn) readdress(err error) error {
	op, ok := err.(*net.OpError)
	if !ok {
		return err
	}
	own := *op
	own.Source, own.Addr = c.LocalAddr(), c.RemoteAddr()
	return &own
}
