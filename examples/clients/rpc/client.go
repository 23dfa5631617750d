// Package rpchale shows net/rpc with hale's pool.
package rpchale

import (
	"context"
	"net"
	"net/rpc"

	"example.com/hale/pool"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// NewPool pools net/rpc clients of the server at address. Package rpc has no
// reconnect: a client whose connection has died is of no use any more. The pool
// replaces it before anybody gets it.
func NewPool(address string, dial Dial, maxConns int) (*pool.Pool[*rpc.Client], error) {
	return pool.New(pool.Config[*rpc.Client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		Open: func(_ context.Context, conn net.Conn) (*rpc.Client, error) {
			return rpc.NewClient(conn), nil
		},
		Close:    (*rpc.Client).Close,
		MaxConns: maxConns,
	})
}

// Call calls method on a pooled client. A call that was under way when the
// server vanished fails with a *health.DeadError; it is not sent again, unless
// ctx is [pool.Idempotent].
func Call(ctx context.Context, p *pool.Pool[*rpc.Client], method string, args, reply any) error {
	return p.Do(ctx, func(ctx context.Context, c *rpc.Client) error {
		call := c.Go(method, args, reply, make(chan *rpc.Call, 1))
		select {
		case <-call.Done:
			return call.Error
		case <-ctx.Done(): // which package rpc does not know
			c.Close() // so that nothing is written to reply any more
			<-call.Done
			return context.Cause(ctx)
		}
	})
}
