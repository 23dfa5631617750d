package hale

import (
	"errors"
	"io"
	"net"
	"runtime"

	"example.com/hale/health"
)

// ReadFrom copies from r until io.EOF, as [net.TCPConn.ReadFrom] does: by
// splice(2) from another connection and sendfile(2) from a file, where the
// operating system has them. If the copy fails because a Conn on either side
// of it died, the error is the reason of that death.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	src, peer, done := bareReader(r)
	n, err := c.TCPConn.ReadFrom(src)
	c.meter.Wrote(n)
	done()
	if err == nil {
		return n, peer.copyEnd(r)
	}
	return n, copyError(err, c, peer)
}

// WriteTo copies to w until io.EOF, as [net.TCPConn.WriteTo] does. If the copy
// fails because a Conn on either side of it died, the error is the reason of
// that death.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	dst, peer := bareWriter(w)
	n, err := c.TCPConn.WriteTo(dst)
	if err == nil {
		return n, c.copyEnd(c)
	}
	return n, copyError(err, c, peer)
}

// bareReader takes a Conn out of r, so that package net, which splices only
// between its own types, knows it. done must be called after the copy.
func bareReader(r io.Reader) (src io.Reader, peer *Conn, done func()) {
	if runtime.GOOS != "linux" { // nothing to gain
		return r, nil, func() {}
	}
	switch r := r.(type) {
	case *Conn:
		return r.TCPConn, r, func() {}
	case *io.LimitedReader: // io.CopyN
		if conn, ok := r.R.(*Conn); ok {
			bare := &io.LimitedReader{R: conn.TCPConn, N: r.N}
			return bare, conn, func() { r.N = bare.N }
		}
	}
	return r, nil, func() {}
}

func bareWriter(w io.Writer) (dst io.Writer, peer *Conn) {
	if conn, ok := w.(*Conn); ok && runtime.GOOS == "linux" {
		return conn.TCPConn, conn
	}
	return w, nil
}

// copyEnd looks twice at the end of a copy from c, nil for a source that is no
// Conn: a stream may have ended by a death whose error somebody else was given.
func (c *Conn) copyEnd(r io.Reader) error {
	if limited, ok := r.(*io.LimitedReader); c == nil || ok && limited.N == 0 {
		return nil // it did not come to the end of the stream
	}
	if err := c.fail(io.EOF); err != io.EOF {
		return err
	}
	return nil
}

// copyError finds out whose death an error was: the kernel tells, and where it
// does not, the addresses in the error do.
func copyError(err error, sides ...*Conn) error {
	var dead *health.DeadError
	if errors.As(err, &dead) {
		return dead // a Conn said it, and package net put its own addresses around it
	}
	for _, c := range sides {
		if c != nil && c.isOver(err) {
			return c.fail(c.readdress(err))
		}
	}
	return err
}

// isOver reports whether c has died, by err perhaps.
func (c *Conn) isOver(err error) bool {
	info, ierr := c.Info()
	switch {
	case c.verdict.final() != nil:
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
