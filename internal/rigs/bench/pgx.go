package bench

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/hale/internal/rigs/bench/fake"
)

// openPgx opens a pgxpool on a server that lets everybody in and answers pings:
// pgxpool pools nothing but connections to PostgreSQL. It is asked nothing, but by
// the ping of a connection that was idle for a second.
func openPgx(tb testing.TB, conns int) Use {
	ctx := context.Background()
	s := serve(tb, fake.Postgres)
	p, err := pgxpool.New(ctx, fmt.Sprintf("postgres://hale@%s/postgres?sslmode=disable&pool_max_conns=%d", s.Addr, conns))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return NewUse(
		func() (*pgxpool.Conn, error) { return p.Acquire(ctx) },
		func(c *pgxpool.Conn) error {
			c.Release()
			return nil
		})
}

// serve starts a server that is stopped when tb ends.
func serve(tb testing.TB, speak func(net.Conn)) *fake.Server {
	tb.Helper()
	s, err := fake.Start(speak)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}
