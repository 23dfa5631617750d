package grpchale

import (
	"context"
	"net"

	"google.golang.org/grpc"
)

// NewClient is a gRPC client of the server at address, over connections that
// dial makes: the DialContext of a hale.Dialer, or nil for grpc-go's own.
//
//	d := &hale.Dialer{KeepAlive: sockopt.Within(5 * time.Second)}
//	cc, err := grpchale.NewClient("orders.internal:443", d.DialContext, grpc.WithTransportCredentials(creds))
//
// A call that was under way when the server vanished ends with
// codes.Unavailable, and its text names the cause; grpc-go does not keep the
// error underneath, so errors.As finds nothing. The client then dials again by
// itself.
//
// grpc-go bounds unacknowledged data by itself (TCP_USER_TIMEOUT) only if it is
// given keepalive parameters, and only on a *[net.TCPConn], which a hale.Conn
// is not; there is no need to, since hale has set it already.
func NewClient(address string, dial Dial, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	if dial != nil {
		opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dial(ctx, "tcp", address)
		}))
	}
	return grpc.NewClient(address, opts...)
}

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)
