package main

import (
	"context"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// halePool is hale's pool of hale's connections.
type halePool struct{ *pool.Pool[net.Conn] }

func newHalePool(t *trial) (contestant, error) {
	dialer := hale.Dialer{KeepAlive: sockopt.Within(t.within), Observer: t.witness.connObserver(t)}
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return t.name.Dial(ctx, dialer.DialContext)
		},
		MaxConns: conns,
		MinConns: conns,
		Observer: t.witness.poolObserver(),
	})
	return halePool{p}, err
}

func (p halePool) use(ctx context.Context, fn func(net.Conn) error) error {
	return p.Do(ctx, func(_ context.Context, c net.Conn) error { return fn(c) })
}

func (p halePool) retried() int64 { return p.Stats().Retries }

func (p halePool) abort() { p.Pool.Close() }

func (p halePool) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = p.Shutdown(ctx) // nobody holds a connection any more
}
