package pool_test

import (
	"context"
	"log"
	"log/slog"
	"net"
	"os"
	"slices"

	"example.com/hale"
	"example.com/hale/pool"
)

// A log of what happens to a pool. It has the pool's name on each line, since a
// program may have several.
func ExampleLogObserver() {
	addr, stop := echo()
	defer stop()
	unsteady := []string{slog.TimeKey, "hale.connection.duration", "hale.acquire.wait", "network.peer.port"}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if slices.Contains(unsteady, a.Key) {
				return slog.Attr{}
			}
			return a
		},
	}))
	p, err := pool.New(pool.Config[net.Conn]{
		Dial:     func(context.Context) (net.Conn, error) { return hale.Dial("tcp", addr) },
		MaxConns: 1,
		Observer: pool.LogObserver(logger.With("hale.pool.name", "orders")),
	})
	if err != nil {
		log.Fatal(err)
	}
	c, err := p.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	c.Release()
	p.Close()
	// Output:
	// level=DEBUG msg="acquire waited" hale.pool.name=orders
	// level=DEBUG msg="connection evicted" hale.pool.name=orders hale.close.reason=shutdown hale.connection.in_use=false network.peer.address=127.0.0.1
	// level=INFO msg="pool closed" hale.pool.name=orders
}
