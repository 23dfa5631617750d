package pool_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// hiding is a connection with another in it, of which nothing can be seen.
type hiding struct {
	net.Conn // which is nil
	inner    net.Conn
}

func (h *hiding) Read(b []byte) (int, error)         { return h.inner.Read(b) }
func (h *hiding) Write(b []byte) (int, error)        { return h.inner.Write(b) }
func (h *hiding) Close() error                       { return h.inner.Close() }
func (h *hiding) LocalAddr() net.Addr                { return h.inner.LocalAddr() }
func (h *hiding) RemoteAddr() net.Addr               { return h.inner.RemoteAddr() }
func (h *hiding) SetDeadline(t time.Time) error      { return h.inner.SetDeadline(t) }
func (h *hiding) SetReadDeadline(t time.Time) error  { return h.inner.SetReadDeadline(t) }
func (h *hiding) SetWriteDeadline(t time.Time) error { return h.inner.SetWriteDeadline(t) }

// A pool learns of a death under whatever wraps the connection, and hands no dead one
// out.
func TestThePoolKnowsAConnectionUnderAnyWrapper(t *testing.T) {
	t.Parallel()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	for name, dial := range map[string]func(ctx context.Context, addr string) (net.Conn, error){
		"one that hides": func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, "tcp", addr)
			return &hiding{inner: c}, err
		},
		"the second of two dials": func(ctx context.Context, addr string) (net.Conn, error) {
			if first, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
				first.Close()
			}
			c, err := dialer.DialContext(ctx, "tcp", addr)
			return &hiding{inner: c}, err
		},
		"an embedded net.Conn": func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, "tcp", addr)
			return struct{ net.Conn }{c}, err
		},
		"x/net/proxy": func(ctx context.Context, addr string) (net.Conn, error) {
			d := proxy.NewPerHost(dialer, dialer)
			c, err := d.DialContext(ctx, "tcp", addr)
			return &hiding{inner: c}, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := testnet.Listen(t)
			evicted := make(chan pool.EvictInfo, 10)
			p, err := pool.New(pool.Config[net.Conn]{
				Dial:     func(ctx context.Context) (net.Conn, error) { return dial(ctx, l.Addr().String()) },
				MaxConns: 1, KeepUnread: true,
				Observer: &pool.Observer{
					Evict:     func(i pool.EvictInfo) { evicted <- i },
					Unwatched: func(i pool.UnwatchedInfo) { t.Error(i) },
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := hale.From(c.Value()); !ok {
				t.Error("it does not show what it is")
			}
			c.Release()
			var peer net.Conn
			for peer == nil || isOver(peer) { // the first of two was closed
				if peer, err = l.Accept(); err != nil {
					t.Fatal(err)
				}
				defer peer.Close()
			}
			if n := p.Stats().Unwatched; n != 0 {
				t.Errorf("%d are not watched", n)
			}
			peer.(*net.TCPConn).SetLinger(0)
			peer.Close()
			select {
			case i := <-evicted:
				if i.Reason != pool.ReasonDead || i.Err.Cause != health.Reset {
					t.Errorf("%v", i)
				}
			case <-time.After(10 * time.Second):
				t.Error("the pool never learns of it")
			}
		})
	}
}

// isOver reports whether the other side has closed c.
func isOver(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

func TestWhatIsNotWatchedIsToldOnceAndCounted(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	told := make(chan pool.UnwatchedInfo, 10)
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		MaxConns: 2,
		Observer: &pool.Observer{Unwatched: func(i pool.UnwatchedInfo) { told <- i }},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	first, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Unwatched; n != 2 {
		t.Errorf("%d are not watched", n)
	}
	first.Release()
	second.Close()
	if i := <-told; !errors.Is(i.Err, errors.ErrUnsupported) || i.Conn == nil {
		t.Errorf("%v", i)
	}
	if len(told) != 0 {
		t.Error("told again:", <-told)
	}
	if n := p.Stats().Unwatched; n != 1 {
		t.Errorf("%d are not watched, after one was closed", n)
	}
}
