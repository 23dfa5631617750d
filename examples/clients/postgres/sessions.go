package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/pool"
)

const (
	maxSessions = 4
	goodbye     = 2 * time.Second // for a server that is to hear that we leave
)

// NewSessions is hale's own pool, of plain sessions. url is whatever pgconn takes,
// with several servers or with TLS if the server has it (sslmode=prefer, the
// default): pgconn dials as often as that needs, all in Dial. The caller closes
// the pool.
//
// A session comes back as it is: what it has prepared is kept (see [Prepared]),
// what SET has changed stays, and a transaction that was left open is rolled back
// before anybody else gets it.
func NewSessions(url string, dial pgconn.DialFunc) (*pool.Pool[*pgconn.PgConn], error) {
	config, err := sessionsConfig(url, dial)
	if err != nil {
		return nil, err
	}
	return pool.New(config)
}

func sessionsConfig(url string, dial pgconn.DialFunc) (c pool.Config[*pgconn.PgConn], err error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return c, err
	}
	config.DialFunc = dial // for cancel requests, too
	c = sessionsPool()
	c.Dial = func(ctx context.Context) (net.Conn, error) { return connectSession(ctx, config) }
	c.MaxConns = maxSessions
	return c, nil
}

// sessionsPool is what pools of sessions have in common, whatever they dial.
func sessionsPool() pool.Config[*pgconn.PgConn] {
	return pool.Config[*pgconn.PgConn]{
		Open:         func(_ context.Context, conn net.Conn) (*pgconn.PgConn, error) { return sessionOn(conn) },
		Check:        func(ctx context.Context, pg *pgconn.PgConn) error { return pg.Ping(ctx) },
		AfterRelease: func(pg *pgconn.PgConn) bool { return !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() == idle },
		Reset:        rollBack, // if AfterRelease says no
		Close:        leave,
	}
}

// connectSession opens a session, for Open to find.
func connectSession(ctx context.Context, config *pgconn.Config) (net.Conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return session{pg.Conn(), pg}, nil
}

// idle is the transaction status of a session outside of a transaction.
const idle = 'I'

// rollBack fails if the session was left in the middle of a query, and is closed
// then.
func rollBack(ctx context.Context, pg *pgconn.PgConn) error {
	return pg.Exec(ctx, "rollback").Close()
}

func leave(pg *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	return pg.Close(ctx)
}

// session is what Dial has for Open: a connection, with the session on it.
type session struct {
	net.Conn
	pg *pgconn.PgConn
}

var errNoSession = errors.New("not what Dial returned")

// sessionOn finds the session, in what the pool counts by if dial is not hale's.
func sessionOn(conn net.Conn) (*pgconn.PgConn, error) {
	switch c := conn.(type) {
	case session:
		return c.pg, nil
	case interface{ NetConn() net.Conn }:
		return sessionOn(c.NetConn())
	}
	return nil, errNoSession
}

// Prepared prepares a statement once in every session that it is used in, and has
// it there for as long as the session lives, beside other data of pgconn's user:
//
//	statement, err := Prepared(ctx, pg, "select $1::int")
//	result := pg.ExecStatement(ctx, statement, arguments, nil, nil).Read()
//
// After a change of the schema, the pool's Invalidate has all sessions replaced.
func Prepared(ctx context.Context, pg *pgconn.PgConn, sql string) (*pgconn.StatementDescription, error) {
	known := pg.CustomData()
	if statement, ok := known[sql].(*pgconn.StatementDescription); ok {
		return statement, nil
	}
	statement, err := pg.Prepare(ctx, "s"+strconv.Itoa(len(known)), sql, nil)
	if err == nil {
		known[sql] = statement
	}
	return statement, err
}
