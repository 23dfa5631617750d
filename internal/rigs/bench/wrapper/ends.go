package wrapper

import (
	"context"
	"errors"
	"io"
	"net"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
)

// A dialer is a net.Dialer, or a hale.Dialer.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// kinds are the connections that are compared, the bare one first.
var kinds = []struct {
	name string
	dialer
}{{"raw", &net.Dialer{}}, {"hale", &hale.Dialer{}}}

// connect makes ends by a dialer. close ends all four.
func connect(d dialer) (e *ends, close func(), err error) {
	l, err := service.Listen()
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	e = new(ends)
	var all []net.Conn
	close = func() {
		for _, c := range all {
			c.Close()
		}
	}
	pair := func(conn *net.Conn, peer **net.TCPConn) error {
		c, err := d.DialContext(context.Background(), "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		all = append(all, c)
		p, err := l.AcceptTCP() // the kernel has set it up already
		if err != nil {
			return err
		}
		all = append(all, p)
		*conn, *peer = c, p
		return nil
	}
	if err := errors.Join(pair(&e.in, &e.inPeer), pair(&e.out, &e.outPeer)); err != nil {
		close()
		return nil, nil, err
	}
	return e, close, nil
}

// feed has so many bytes arrive on in.
func (e *ends) feed(n int) error {
	buf := make([]byte, min(n, 256<<10))
	for n > 0 {
		written, err := e.inPeer.Write(buf[:min(n, len(buf))])
		if err != nil {
			return err
		}
		n -= written
	}
	return nil
}

// drain reads so many bytes that were sent by out.
func (e *ends) drain(n int) error {
	_, err := io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(e.outPeer, int64(n)), make([]byte, min(n, 256<<10)))
	return err
}

// onlyWriter has io.CopyBuffer use its buffer.
type onlyWriter struct{ io.Writer }
