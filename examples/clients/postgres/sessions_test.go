package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

func newSessions(t *testing.T, address string, r *dialled.Conns) Sessions {
	t.Helper()
	s, err := NewSessions(URL(address), r.Dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// whose is the session that the pool hands out.
func whose(t *testing.T, s Sessions) (pid uint32) {
	t.Helper()
	err := s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
		pid = c.PID()
		if status := c.TxStatus(); status != idle {
			t.Errorf("handed out with the transaction status %q", status)
		}
		return c.Exec(ctx, query).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestSessions(t *testing.T) {
	t.Parallel()
	server := trialtest.Serve(t, service.Postgres)
	t.Run("are used again", func(t *testing.T) {
		t.Parallel()
		var r dialled.Conns
		s := newSessions(t, server.Addr, &r)
		if first, second := whose(t, s), whose(t, s); first != second {
			t.Errorf("%d, then %d", first, second)
		}
	})
	t.Run("are not used again after an error of the server's within a transaction", func(t *testing.T) {
		t.Parallel()
		var r dialled.Conns
		s := newSessions(t, server.Addr, &r)
		first := whose(t, s)
		err := s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
			return c.Exec(ctx, "begin; select 1/0").Close()
		})
		var refused *pgconn.PgError
		if !errors.As(err, &refused) {
			t.Error(err)
		}
		if whose(t, s) == first {
			t.Error("handed out with its transaction open")
		}
	})
	t.Run("are used again after an error of the server's", func(t *testing.T) {
		t.Parallel()
		var r dialled.Conns
		s := newSessions(t, server.Addr, &r)
		first := whose(t, s)
		err := s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
			return c.Exec(ctx, "select 1/0").Close()
		})
		if err == nil || whose(t, s) != first {
			t.Errorf("discarded after %v", err)
		}
	})
	t.Run("that are left dial anew to cancel the query", func(t *testing.T) {
		t.Parallel()
		leaveQuery(t, server.Addr)
	})
}

func leaveQuery(t *testing.T, address string) {
	var r dialled.Conns
	s, other := newSessions(t, address, &r), connect(t, URL(address))
	first := whose(t, s)
	ctx, cancel := context.WithCancel(dialled.Context(t))
	defer cancel()
	go func() {
		for !sleeping(ctx, other, first) && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	var left *pgconn.PgConn
	err := s.Do(ctx, func(ctx context.Context, c *pgconn.PgConn) error {
		left = c
		return c.Exec(ctx, "select pg_sleep(60)").Close()
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if whose(t, s) == first {
		t.Error("a session that was left in a query was handed out")
	}
	dialled.Until(t, "the query has ended", func() bool { return !sleeping(dialled.Context(t), other, first) })
	<-left.CleanupDone()
	if got := len(r.All()); got != 3 {
		t.Errorf("%d dials, want 3: for the session, for its cancel request, for the next session", got)
	}
}
