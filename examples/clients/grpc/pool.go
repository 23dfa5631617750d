package grpchale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"example.com/hale/pool"
)

// NewPool pools gRPC clients that have one TCP connection each: calls do not
// share a connection then, nor the flow control and the fate of one. The pool
// dials, knows which connections are dead, and replaces them; grpc-go's own
// reconnecting has nothing left to do.
func NewPool(address string, dial Dial, maxConns int, opts ...grpc.DialOption) (*pool.Pool[*grpc.ClientConn], error) {
	return pool.New(pool.Config[*grpc.ClientConn]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		Open: func(ctx context.Context, conn net.Conn) (*grpc.ClientConn, error) {
			return open(ctx, conn, address, opts)
		},
		Close:      (*grpc.ClientConn).Close,
		KeepUnread: true, // HTTP/2 speaks unasked: window updates, pings, settings
		MaxConns:   maxConns,
	})
}

// open makes a gRPC client of one connection, and returns when it is ready.
func open(ctx context.Context, conn net.Conn, address string, opts []grpc.DialOption) (*grpc.ClientConn, error) {
	opts = append(opts[:len(opts):len(opts)],
		grpc.WithContextDialer(once(conn)),
		grpc.WithIdleTimeout(0)) // would close the connection
	cc, err := grpc.NewClient("passthrough:///"+address, opts...)
	if err != nil {
		return nil, err
	}
	cc.Connect()
	if err := ready(ctx, cc); err != nil {
		cc.Close()
		return nil, err
	}
	return cc, nil
}

func ready(ctx context.Context, cc *grpc.ClientConn) error {
	for {
		switch state := cc.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			return fmt.Errorf("grpc: not ready but %v", state)
		default:
			if !cc.WaitForStateChange(ctx, state) {
				return ctx.Err()
			}
		}
	}
}

var errDialed = errors.New("grpc: the pool dials, not its clients")

// once is a dialer that has conn to give, and no other.
func once(conn net.Conn) func(context.Context, string) (net.Conn, error) {
	var given atomic.Bool
	return func(context.Context, string) (net.Conn, error) {
		if given.Swap(true) {
			return nil, errDialed
		}
		return conn, nil
	}
}
