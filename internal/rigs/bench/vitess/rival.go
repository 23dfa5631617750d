package vitess

import (
	"context"
	"net"
	"testing"

	"vitess.io/vitess/go/pools/smartconnpool"

	"example.com/hale/internal/rigs/bench"
)

// Rivals are all of them.
var Rivals = append(bench.Rivals[:len(bench.Rivals):len(bench.Rivals)], bench.Rival{Name: "vitess", Open: open})

// open opens a pool as Vitess does, but without lifetimes, and without settings
// for its connections.
func open(tb testing.TB, conns int) bench.Use {
	dial := bench.DialTo(tb, new(net.Dialer))
	p := smartconnpool.NewPool(&smartconnpool.Config[conn]{Capacity: int64(conns)})
	p.Open(func(ctx context.Context) (conn, error) {
		c, err := dial(ctx)
		return conn{c}, err
	}, nil)
	tb.Cleanup(p.Close)
	return bench.NewUse(
		func() (*smartconnpool.Pooled[conn], error) { return p.Get(context.Background(), nil) },
		func(c *smartconnpool.Pooled[conn]) error {
			c.Recycle()
			return nil
		})
}

// conn has what the pool asks of a connection. The pool asks whether it is closed
// when it is given back.
type conn struct{ net.Conn }

func (conn) IsClosed() bool                                             { return false }
func (conn) Setting() *smartconnpool.Setting                            { return nil }
func (conn) ApplySetting(context.Context, *smartconnpool.Setting) error { return nil }
func (conn) ResetSetting(context.Context) error                         { return nil }
func (c conn) Close()                                                   { c.Conn.Close() }
