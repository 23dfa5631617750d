package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"example.com/hale"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

// tlsURL is for a client that wants TLS, and trusts anybody.
func tlsURL(address string) string {
	return strings.Replace(URL(address), "sslmode=disable", "sslmode=require", 1)
}

// connect opens one connection, which is closed when the test ends.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := Connect(dialled.Context(t), url, trialtest.Dialer().DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close(context.WithoutCancel(t.Context()))
		<-c.PgConn().CleanupDone()
	})
	return c
}

// newPool opens a pool by config, which spoil may change.
func newPool(t *testing.T, url string, r *dialled.Conns, spoil func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := poolConfig(url, r.Dial)
	if err != nil {
		t.Fatal(err)
	}
	spoil(config)
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// withoutPing leaves the death watch alone to tell which connections live.
func withoutPing(c *pgxpool.Config) {
	c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
}

// fill makes a pool open all its connections, and leaves them idle.
func fill(t *testing.T, p *pgxpool.Pool) {
	t.Helper()
	ctx := dialled.Context(t)
	for range p.Config().MaxConns {
		c, err := p.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		if err := one(c.QueryRow(ctx, query)); err != nil {
			t.Fatal(err)
		}
	}
}

// terminate has the server close all sessions but that of c.
func terminate(t *testing.T, c *pgx.Conn) {
	t.Helper()
	const all = "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> $1 and backend_type = 'client backend'"
	var n int
	if err := c.QueryRow(dialled.Context(t), all, c.PgConn().PID()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatal("there was no session to terminate")
	}
}

// under is hale's connection under a connection of database/sql.
func under(t *testing.T, db *sql.DB) (under *hale.Conn) {
	t.Helper()
	c, err := db.Conn(dialled.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(driver any) error {
		conn := driver.(*stdlib.Conn).Conn().PgConn().Conn()
		var ok bool
		if under, ok = hale.From(conn); !ok {
			return fmt.Errorf("%T is not hale's", conn)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return under
}
