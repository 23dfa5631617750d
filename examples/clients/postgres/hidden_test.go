package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale"
	"example.com/hale/examples/clients/explain"
	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/trialtest"
)

// What docs/cookbook.md says of pgx: of Begin, and of statements without arguments, the
// cause is hidden and the error says that it is safe to retry. It fails when pgx does
// better.
func TestPgxHidesTheCauseFromBeginAndFromStatementsWithoutArguments(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Postgres)
	for _, c := range []struct {
		name   string
		use    func(*pgx.Conn) error
		hidden bool
	}{
		{"begin", func(c *pgx.Conn) error { _, err := c.Begin(t.Context()); return err }, true},
		{"no arguments", func(c *pgx.Conn) error { _, err := c.Exec(t.Context(), "select 1"); return err }, true},
		{"an argument", func(c *pgx.Conn) error { _, err := c.Exec(t.Context(), "select $1::int", 1); return err }, false},
		{"query", func(c *pgx.Conn) error { return one(c.QueryRow(t.Context(), query)) }, false},
	} {
		conn := connect(t, URL(s.Addr))
		under, _ := hale.From(conn.PgConn().Conn())
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.use(conn) // after the server has vanished, since it is parallel
			t.Log(err)
			if hidden := health.Classify(err) == health.Unknown; err == nil || hidden != c.hidden {
				t.Errorf("%v: hidden is %t", err, hidden)
			}
			if safe := pgconn.SafeToRetry(err); safe != c.hidden {
				t.Errorf("safe to retry is %t", safe)
			}
			if cause := health.Classify(explain.Error(err, under)); !cause.Silent() {
				t.Errorf("the connection says %v", cause)
			}
		})
	}
	trialtest.Vanish(t, s)
	if err := s.Replace(); err != nil { // pgx sends cancel requests, and waits for them
		t.Fatal(err)
	}
}
