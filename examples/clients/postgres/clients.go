package postgres

import (
	"context"
	"net"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/internal/lab/trial"
)

// Clients are the ways to use PostgreSQL from Go.
func Clients() []trial.Client {
	return []trial.Client{
		{Name: "pgx", Open: openConn},
		{Name: "pgxpool", Open: openPool},
		{Name: "database/sql, pgx", Open: openDB},
		{Name: "hale/pool, pgconn", Open: openSessions},
	}
}

const query = "select 1"

// one reads the reply to query.
func one(row interface{ Scan(dest ...any) error }) error {
	var n int
	return row.Scan(&n)
}

func openConn(ctx context.Context, address string, dial trial.Dial) (trial.Session, error) {
	via, err := dialling(address, dial)
	if err != nil {
		return trial.Session{}, err
	}
	s := &single{connect: func(ctx context.Context) (*pgx.Conn, error) { return Connect(ctx, URL(address), via.dial) }}
	return trial.Session{Request: s.request, Close: via.abort}, nil
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

func openPool(ctx context.Context, address string, dial trial.Dial) (trial.Session, error) {
	via, err := dialling(address, dial)
	if err != nil {
		return trial.Session{}, err
	}
	p, err := NewPool(ctx, URL(address), via.dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return one(p.QueryRow(ctx, query)) },
		Close:   func() error { defer p.Close(); return via.abort() },
	}, nil
}

func openDB(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	via, err := dialling(address, dial)
	if err != nil {
		return trial.Session{}, err
	}
	db, err := OpenDB(URL(address), via.dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return one(db.QueryRowContext(ctx, query)) },
		Close:   func() error { defer db.Close(); return via.abort() },
	}, nil
}

func openSessions(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	via, err := dialling(address, dial)
	if err != nil {
		return trial.Session{}, err
	}
	s, err := NewSessions(URL(address), via.dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error {
			return s.Do(ctx, func(ctx context.Context, c *pgconn.PgConn) error {
				return c.Exec(ctx, query).Close()
			})
		},
		Close: func() error { defer s.Close(); return via.abort() },
	}, nil
}

// dialler dials for one client, and keeps what it has dialled: the clients' own
// Close waits for a server that is silent to say goodbye.
type dialler struct {
	inner trial.Dial

	mu      sync.Mutex // guards what follows
	conns   []net.Conn
	aborted bool
}

// dialling is a dialler that dials by dial, or as pgx does by itself if that is
// nil.
func dialling(address string, dial trial.Dial) (*dialler, error) {
	if dial == nil {
		config, err := pgconn.ParseConfig(URL(address))
		if err != nil {
			return nil, err
		}
		dial = config.DialFunc
	}
	return &dialler{inner: dial}, nil
}

func (d *dialler) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.inner(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aborted {
		_ = c.Close() // nobody has used it
		return nil, net.ErrClosed
	}
	d.conns = append(d.conns, c)
	return c, nil
}

// abort closes all connections, those to come included.
func (d *dialler) abort() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aborted = true
	for _, c := range d.conns {
		_ = c.Close() // most of them have been closed
	}
	return nil
}
