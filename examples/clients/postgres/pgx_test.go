package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestPgxWorksUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Postgres)
	for name, url := range map[string]string{"plain": URL(s.Addr), "TLS": tlsURL(s.Addr)} {
		t.Run(name+"/the connection is found", func(t *testing.T) {
			t.Parallel()
			c := connect(t, url)
			if hc, ok := hale.From(c.PgConn().Conn()); !ok || hc.Err() != nil {
				t.Errorf("found: %t", ok)
			}
		})
		t.Run(name+"/rows are copied in and out", func(t *testing.T) {
			t.Parallel()
			copyRows(t, connect(t, url))
		})
		t.Run(name+"/a wait for a notification can time out", func(t *testing.T) {
			t.Parallel()
			waitForNotification(t, connect(t, url), connect(t, url), strings.ToLower(name))
		})
		t.Run(name+"/a cancelled query ends at the server", func(t *testing.T) {
			t.Parallel()
			cancelQuery(t, connect(t, url), connect(t, url))
		})
	}
}

// copyRows sends megabytes, more than the kernel takes at once.
func copyRows(t *testing.T, c *pgx.Conn) {
	const rows = 20_000
	ctx, text := dialled.Context(t), strings.Repeat("x", 400)
	if _, err := c.Exec(ctx, "create temporary table copied (n int, text text)"); err != nil {
		t.Fatal(err)
	}
	_, err := c.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"n", "text"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{i, text}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Query(ctx, "select n, text from copied order by n")
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	_, err = pgx.ForEachRow(result, []any{new(int), new(string)}, func() error { next++; return nil })
	if err != nil || next != rows {
		t.Errorf("%d rows came back, want %d: %v", next, rows, err)
	}
}

// waitForNotification relies on a deadline that passes to be net's own: pgx
// keeps the connection then, and only then.
func waitForNotification(t *testing.T, listener, notifier *pgx.Conn, channel string) {
	ctx := dialled.Context(t)
	if _, err := listener.Exec(ctx, "listen "+channel); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := listener.WaitForNotification(short); !pgconn.Timeout(err) || listener.IsClosed() {
		t.Fatalf("%v, closed: %t, want a timeout and an open connection", err, listener.IsClosed())
	}
	if _, err := notifier.Exec(ctx, "notify "+channel+", 'news'"); err != nil {
		t.Fatal(err)
	}
	n, err := listener.WaitForNotification(ctx)
	if err != nil || n.Payload != "news" {
		t.Errorf("%+v, %v", n, err)
	}
}

// cancelQuery has pgx dial the server once more, to cancel the query.
func cancelQuery(t *testing.T, c, other *pgx.Conn) {
	ctx, cancel := context.WithCancel(dialled.Context(t))
	pid := c.PgConn().PID()
	go func() {
		for !sleeping(ctx, other, pid) && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := c.Exec(ctx, "select pg_sleep(60)"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	dialled.Until(t, "the query has ended", func() bool { return !sleeping(dialled.Context(t), other, pid) })
}

// sleeping reports whether the session runs pg_sleep.
func sleeping(ctx context.Context, c *pgx.Conn, pid uint32) bool {
	var n int
	const sleeps = "select count(*) from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%'"
	err := c.QueryRow(ctx, sleeps, pid).Scan(&n)
	return err == nil && n > 0
}
