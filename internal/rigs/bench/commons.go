package bench

import (
	"context"
	"net"
	"testing"

	commons "github.com/jolestar/go-commons-pool/v2"
)

// openCommons opens a go-commons-pool as it is by default but for its size.
func openCommons(tb testing.TB, conns int) Use {
	ctx := context.Background()
	dial := DialTo(tb, new(net.Dialer))
	factory := commons.NewPooledObjectFactory(
		func(ctx context.Context) (any, error) { return dial(ctx) },
		func(_ context.Context, o *commons.PooledObject) error { return o.Object.(conn).Close() },
		nil, nil, nil)
	config := commons.NewDefaultPoolConfig()
	config.MaxTotal, config.MaxIdle = conns, conns
	p := commons.NewObjectPool(ctx, factory, config)
	tb.Cleanup(func() { p.Close(ctx) })
	return NewUse(
		func() (any, error) { return p.BorrowObject(ctx) },
		func(c any) error { return p.ReturnObject(ctx, c) })
}
