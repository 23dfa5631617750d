package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool"
)

type sessions = *pool.Pool[*pgconn.PgConn]

func newSessions(t *testing.T, url string, dial pgconn.DialFunc) sessions {
	t.Helper()
	s, err := NewSessions(url, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// rest waits until nothing happens to the session any more that was used.
func rest(t *testing.T, s sessions) {
	t.Helper()
	dialled.Until(t, "the session is back, or closed", func() bool {
		c, ok := s.TryAcquire(dialled.Context(t))
		c.Release()
		return ok || s.Stats().Conns == 0
	})
}

// defaultURL leaves it to pgconn whether to speak TLS.
func defaultURL(address string) string { return strings.TrimSuffix(URL(address), "?sslmode=disable") }

// whose is the session that the pool hands out.
func whose(t *testing.T, s sessions) (pid uint32) {
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
	for name, test := range map[string]struct {
		use  string
		same bool // the session is handed out again
	}{
		"are used again": {query, true},
		"are used again after an error of the server's":                              {"select 1/0", true},
		"are rolled back after an error of the server's within a transaction":        {"begin; select 1/0", true},
		"are rolled back if they were left in a transaction":                         {"begin", true},
		"are not used again after the server has closed them":                        {"select pg_terminate_backend(pg_backend_pid())", false},
		"are used again, with what was set":                                          {"set application_name = 'hale'", true},
		"are used again after a transaction that was committed":                      {"begin; create temporary table kept (n int); commit", true},
		"are rolled back where an error came after a savepoint of the transaction's": {"begin; savepoint s; select 1/0", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r dialled.Conns
			s := newSessions(t, URL(server.Addr), r.Dial)
			first := whose(t, s)
			_ = s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error { return c.Exec(ctx, test.use).Close() })
			rest(t, s)
			if second := whose(t, s); test.same != (first == second) {
				t.Errorf("%d, then %d", first, second)
			}
		})
	}
	t.Run("that are left dial anew to cancel the query", func(t *testing.T) {
		t.Parallel()
		leaveQuery(t, server.Addr)
	})
	t.Run("left with a result that nobody has read are closed", func(t *testing.T) {
		t.Parallel()
		var r dialled.Conns
		s := newSessions(t, URL(server.Addr), r.Dial)
		first := whose(t, s)
		_ = s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
			c.Exec(ctx, "select generate_series(1, 100000)")
			return nil
		})
		if whose(t, s) == first {
			t.Error("a session that was left in a query was handed out")
		}
	})
	t.Run("prepare a statement once", func(t *testing.T) {
		t.Parallel()
		prepareOnce(t, server.Addr)
	})
}

func prepareOnce(t *testing.T, address string) {
	var r dialled.Conns
	s := newSessions(t, URL(address), r.Dial)
	const sql, others = "select $1::int + 1", "select count(*) from pg_prepared_statements"
	for _, use := range []string{"begin; select 1/0", query, query} { // also over a transaction that is rolled back
		err := s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
			statement, err := Prepared(ctx, c, sql)
			if err != nil {
				return err
			}
			result := c.ExecStatement(ctx, statement, [][]byte{[]byte("41")}, nil, nil).Read()
			if result.Err != nil || string(result.Rows[0][0]) != "42" {
				t.Errorf("%v, %q", result.Err, result.Rows)
			}
			known, err := c.Exec(ctx, others).ReadAll()
			if err != nil || string(known[0].Rows[0][0]) != "1" {
				t.Errorf("%v: the server knows %v", err, known)
			}
			_ = c.Exec(ctx, use).Close()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		rest(t, s)
	}
	if n := len(r.All()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// Many callers use few sessions, and leave each as they please.
func TestATransactionThatWasLeftNeverReachesTheNextCaller(t *testing.T) {
	t.Parallel()
	server := trialtest.Serve(t, service.Postgres)
	for name, url := range map[string]string{"plain": URL(server.Addr), "TLS": tlsURL(server.Addr)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r dialled.Conns
			s := newSessions(t, url, r.Dial)
			var wg sync.WaitGroup
			for i := range 4 * maxSessions {
				wg.Go(func() {
					for n := range 50 {
						leaveTransaction(t, s, i+n)
					}
				})
			}
			wg.Wait()
			if n := len(r.All()); n > maxSessions {
				t.Errorf("%d dials: sessions were closed that could be rolled back", n)
			}
		})
	}
}

// leaveTransaction looks at the session, and leaves it in one of a few ways.
func leaveTransaction(t *testing.T, s sessions, how int) {
	ways := []string{"begin; select 1/0", "begin", query, "select 1/0", "begin; select 1; commit"}
	err := s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
		if c.TxStatus() != idle {
			t.Errorf("transaction status %q", c.TxStatus())
		}
		if err := c.Exec(ctx, query).Close(); err != nil {
			t.Error(err)
		}
		return c.Exec(ctx, ways[how%len(ways)]).Close()
	})
	var refused *pgconn.PgError
	if err != nil && !errors.As(err, &refused) {
		t.Error(err)
	}
}

func TestSessionsConnectWithTLSAndWithout(t *testing.T) {
	t.Parallel()
	both := trialtest.Serve(t, service.Postgres)
	plain := trialtest.Serve(t, service.PostgresWithoutTLS)
	for name, test := range map[string]struct {
		url string
		tls bool
	}{
		"the default, TLS":          {defaultURL(both.Addr), true},
		"the default, without":      {defaultURL(plain.Addr), false},
		"require":                   {tlsURL(both.Addr), true},
		"disable":                   {URL(both.Addr), false},
		"the second of two servers": {strings.Replace(defaultURL(both.Addr), both.Addr, "127.0.0.1:1,"+both.Addr, 1), true},
	} {
		for dialer, dial := range map[string]pgconn.DialFunc{"hale": trialtest.Dialer().DialContext, "pgconn": nil} {
			t.Run(name+"/"+dialer, func(t *testing.T) {
				if dial == nil {
					config, err := pgconn.ParseConfig(test.url)
					if err != nil {
						t.Fatal(err)
					}
					dial = config.DialFunc
				}
				s := newSessions(t, test.url, dial)
				whose(t, s)
				c, err := s.Acquire(dialled.Context(t))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Release()
				if _, ok := c.Value().Conn().(*tls.Conn); ok != test.tls {
					t.Errorf("%T", c.Value().Conn())
				}
				if _, ok := hale.From(c.Value().Conn()); ok != (dialer == "hale") || (s.Stats().Unwatched == 0) != ok {
					t.Errorf("its death is told: %+v", s.Stats())
				}
			})
		}
	}
}

func leaveQuery(t *testing.T, address string) {
	var r dialled.Conns
	s, other := newSessions(t, URL(address), r.Dial), connect(t, URL(address))
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
