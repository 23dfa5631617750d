package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
)

// openPgx opens a pgxpool on a PostgreSQL of its own: pgxpool pools nothing else.
// It is asked nothing, but by the ping of a connection that was idle for a
// second.
func openPgx(tb testing.TB) Use {
	ctx := context.Background()
	s, err := service.Postgres(ctx)
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	p, err := pgxpool.New(ctx, fmt.Sprintf("postgres://hale@%s/postgres?sslmode=disable&pool_max_conns=%d", s.Addr, Conns))
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
