package bench

import (
	"context"
	"testing"

	"example.com/hale"
	"example.com/hale/pool"
)

// openHale opens hale's pool as config says, on connections of hale's own, which
// know by atomic loads whether they live. A use does with the connection what
// touch does.
func openHale(config pool.Config[conn], touch func(pool.Conn[conn])) func(testing.TB, int) Use {
	return func(tb testing.TB, conns int) Use {
		config := config // each pool has an endpoint of its own
		config.Dial = DialTo(tb, new(hale.Dialer))
		config.MaxConns, config.MinConns = conns, conns
		p, err := pool.New(config)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(p.Close)
		return NewUse(
			func() (pool.Conn[conn], error) {
				c, err := p.Acquire(context.Background())
				touch(c)
				return c, err
			},
			func(c pool.Conn[conn]) error {
				c.Release()
				return nil
			})
	}
}

// untouched leaves the connection as it came, so that there is nothing for the
// next Acquire to look for on its socket.
func untouched(pool.Conn[conn]) {}

// touched asks for the connection, after which the next Acquire looks at its
// socket.
func touched(c pool.Conn[conn]) { c.Value() }
