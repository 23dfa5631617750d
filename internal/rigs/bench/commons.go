package bench

import (
	"context"
	"net"
	"testing"

	commons "github.com/jolestar/go-commons-pool/v2"
)

// openCommons opens a go-commons-pool as it is by default, which is with 8
// connections at most.
func openCommons(tb testing.TB) Use {
	ctx := context.Background()
	dial := DialTo(tb, new(net.Dialer))
	factory := commons.NewPooledObjectFactory(
		func(ctx context.Context) (any, error) { return dial(ctx) },
		func(_ context.Context, o *commons.PooledObject) error { return o.Object.(conn).Close() },
		nil, nil, nil)
	config := commons.NewDefaultPoolConfig()
	config.MaxTotal, config.MaxIdle = Conns, Conns
	p := commons.NewObjectPool(ctx, factory, config)
	tb.Cleanup(func() { p.Close(ctx) })
	return NewUse(
		func() (any, error) { return p.BorrowObject(ctx) },
		func(c any) error { return p.ReturnObject(ctx, c) })
}
