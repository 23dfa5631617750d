package bench

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

type (
	conn     = net.Conn
	dialFunc = func(ctx context.Context) (conn, error)
)

// A Dialer is a net.Dialer, or a hale.Dialer.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// DialTo returns a dial by d to a server on loopback that says nothing. When tb
// ends, after what was registered with its Cleanup since, all connections have to
// be closed.
func DialTo(tb testing.TB, d Dialer) func(context.Context) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() { accept(l, &open) })
	tb.Cleanup(func() {
		l.Close()
		if !ends(&open) {
			tb.Error("a connection is open still")
		}
	})
	return func(ctx context.Context) (conn, error) { return d.DialContext(ctx, "tcp", l.Addr().String()) }
}

// accept keeps each connection until the other side closes it.
func accept(l net.Listener, open *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		})
	}
}

// ends reports whether all are done in time.
func ends(all *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}
