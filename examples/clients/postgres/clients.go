package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/internal/lab/trial"
)

// Clients are the ways to use PostgreSQL from Go.
func Clients() []trial.Client {
	return []trial.Client{
		{Name: "pgx", Open: opener(openConn)},
		{Name: "pgxpool", Open: opener(openPool)},
		{Name: "database/sql, pgx", Open: opener(openDB)},
		{Name: "hale/pool, pgconn", Open: opener(openSessions)},
	}
}

// URL is where pgx finds the server at address.
func URL(address string) string {
	return "postgres://hale@" + address + "/postgres?sslmode=disable"
}

const query = "select 1"

// one reads the reply to query.
func one(row interface{ Scan(dest ...any) error }) error {
	var n int
	return row.Scan(&n)
}

// opener gives use an address and a dial function, and its session an end that
// does not wait for a server that is silent: the clients' own Close does, to say
// goodbye.
func opener(use func(ctx context.Context, url string, dial pgconn.DialFunc) (trial.Session, error)) open {
	return func(ctx context.Context, address string, dial trial.Dial) (trial.Session, error) {
		config, err := pgconn.ParseConfig(URL(address))
		if err != nil {
			return trial.Session{}, err
		}
		if dial == nil {
			dial = config.DialFunc // pgx's own
		}
		dialed := &trial.Dialed{Inner: dial}
		s, err := use(ctx, URL(address), dialed.DialContext)
		if err != nil {
			return trial.Session{}, err
		}
		end := s.Close
		s.Close = func() error {
			dialed.Close()
			return end()
		}
		return s, nil
	}
}

type open = func(ctx context.Context, address string, dial trial.Dial) (trial.Session, error)

func openConn(_ context.Context, url string, dial pgconn.DialFunc) (trial.Session, error) {
	s := &single{connect: func(ctx context.Context) (*pgx.Conn, error) { return Connect(ctx, url, dial) }}
	return trial.Session{Request: s.request, Close: func() error { return nil }}, nil
}

// single is a program with one connection, which it opens again when it is
// gone.
type single struct {
	connect func(ctx context.Context) (*pgx.Conn, error)

	mu   sync.Mutex // held while the connection is used: it has no room for two
	conn *pgx.Conn
}

func (s *single) request(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.conn.IsClosed() {
		if s.conn, err = s.connect(ctx); err != nil {
			return err
		}
	}
	return one(s.conn.QueryRow(ctx, query))
}

func openPool(ctx context.Context, url string, dial pgconn.DialFunc) (trial.Session, error) {
	p, err := NewPool(ctx, url, dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return one(p.QueryRow(ctx, query)) },
		Close:   func() error { p.Close(); return nil },
	}, nil
}

func openDB(_ context.Context, url string, dial pgconn.DialFunc) (trial.Session, error) {
	db, err := OpenDB(url, dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return one(db.QueryRowContext(ctx, query)) },
		Close:   db.Close,
	}, nil
}

func openSessions(_ context.Context, url string, dial pgconn.DialFunc) (trial.Session, error) {
	s, err := NewSessions(url, dial)
	if err != nil {
		return trial.Session{}, err
	}
	exec := func(ctx context.Context, c *pgconn.PgConn) error { return c.Exec(ctx, query).Close() }
	return trial.Session{
		Request: func(ctx context.Context) error { return s.Do(ctx, exec) },
		Close:   func() error { s.Close(); return nil },
	}, nil
}
