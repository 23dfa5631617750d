package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

// The ping is off in both pools: of the one whose PrepareConn asks the death
// watch, no user sees that all connections died while they were idle.
func TestAPoolThatAsksTheDeathWatchShowsNoIdleDeath(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Postgres)
	var watched, unaware dialled.Conns
	asks := newPool(t, URL(s.Addr), &watched, withoutPing)
	doesNot := newPool(t, URL(s.Addr), &unaware, func(c *pgxpool.Config) { withoutPing(c); c.PrepareConn = nil })
	fill(t, asks)
	fill(t, doesNot)
	trialtest.Vanish(t, s)
	watched.AwaitDeath(t)
	unaware.AwaitDeath(t)
	if err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	ctx := dialled.Context(t)
	for i := range 10 {
		if err := one(asks.QueryRow(ctx, query)); err != nil {
			t.Errorf("query %d: %v", i, err)
		}
	}
	if err := one(doesNot.QueryRow(ctx, query)); err == nil {
		t.Error("without PrepareConn there was no error either: this test shows nothing")
	}
}

// PostgreSQL closes idle sessions when it is restarted.
func TestSessionsThatTheServerHasClosedAreNotUsed(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Postgres)
	administrator := connect(t, URL(s.Addr))
	for _, c := range []struct {
		name string
		url  string
	}{{"plain", URL(s.Addr)}, {"TLS", tlsURL(s.Addr)}} {
		t.Run(c.name, func(t *testing.T) {
			var r dialled.Conns
			ctx := dialled.Context(t)
			p := newPool(t, c.url, &r, withoutPing)
			fill(t, p)
			db, err := OpenDB(c.url, r.Dial)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			under(t, db) // the driver pings before a session's second use, but not before its third
			first := under(t, db)
			terminate(t, administrator)
			r.AwaitDeath(t)
			if err := one(p.QueryRow(ctx, query)); err != nil {
				t.Error("pgxpool:", err)
			}
			if err := one(db.QueryRowContext(ctx, query)); err != nil {
				t.Error("database/sql:", err)
			}
			if under(t, db) == first {
				t.Error("database/sql: the session was not closed at all")
			}
		})
	}
}
