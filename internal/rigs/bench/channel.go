package bench

import (
	"context"
	"net"
	"testing"
)

// openChannel is the pool that is written by hand: a buffered channel. It knows
// nothing of its connections, and is what the others may cost more than.
func openChannel(tb testing.TB, conns int) Use {
	ctx := context.Background()
	dial := DialTo(tb, new(net.Dialer))
	idle := make(chan conn, conns)
	for range conns {
		c, err := dial(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.Close() })
		idle <- c
	}
	return NewUse(
		func() (conn, error) {
			select {
			case c := <-idle:
				return c, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		func(c conn) error {
			idle <- c
			return nil
		})
}
