package bench

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/puddle/v2"
)

// openPuddle opens a puddle whose users check each connection that they are
// given.
func openPuddle(check func(conn) error) func(testing.TB, int) Use {
	return func(tb testing.TB, conns int) Use {
		p, err := puddle.NewPool(&puddle.Config[conn]{
			Constructor: DialTo(tb, new(net.Dialer)),
			Destructor:  func(c conn) { c.Close() },
			MaxSize:     int32(conns),
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(p.Close)
		return NewUse(
			func() (*puddle.Resource[conn], error) {
				r, err := p.Acquire(context.Background())
				if err != nil {
					return nil, err
				}
				return r, check(r.Value())
			},
			func(r *puddle.Resource[conn]) error {
				r.Release()
				return nil
			})
	}
}

// trusted takes a connection for a good one.
func trusted(conn) error { return nil }
