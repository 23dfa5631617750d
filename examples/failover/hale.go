package main

import (
	"context"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/failover"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// halePool is hale's pool of hale's connections.
type halePool struct {
	*pool.Pool[net.Conn]
	page     string // where its page is
	stopPage func() // nil without one
}

func (o options) newHalePool(t *failover.Trial) (failover.Pool, error) {
	dialer := hale.Dialer{KeepAlive: sockopt.Within(o.within), Observer: t.Observer.Conns()}
	p, err := pool.New(pool.Config[net.Conn]{
		Name: "failover",
		Dial: func(ctx context.Context) (net.Conn, error) {
			return t.Dial(ctx, dialer.DialContext)
		},
		MaxConns: failover.Conns,
		MinConns: failover.Conns,
		Observer: t.Observer.Pool(),
	})
	if err != nil {
		return nil, err
	}
	opened := &halePool{Pool: p}
	o.showPage(opened)
	return opened, nil
}

func (p *halePool) Use(ctx context.Context, fn func(net.Conn) error) error {
	return p.Do(ctx, func(_ context.Context, c net.Conn) error { return fn(c) })
}

func (p *halePool) Retried() int64 { return p.Stats().Retries }

func (p *halePool) Abort() { p.Pool.Close() }

func (p *halePool) Close() {
	if p.stopPage != nil {
		p.stopPage()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = p.Shutdown(ctx) // nobody holds a connection any more
}
