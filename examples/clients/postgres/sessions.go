package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/pool"
)

const (
	maxSessions = 4
	goodbye     = 2 * time.Second // for a server that is to hear that we leave
)

// Sessions is hale's own pool, of plain sessions.
type Sessions struct {
	*pool.Pool[*pgconn.PgConn]
}

// NewSessions is a pool of sessions on the connections that dial makes. url
// names one server, and its sslmode must not be one that tries twice (allow,
// prefer). The caller closes the pool.
func NewSessions(url string, dial pgconn.DialFunc) (Sessions, error) {
	config, err := sessionsConfig(url, dial)
	if err != nil {
		return Sessions{}, err
	}
	p, err := pool.New(config)
	return Sessions{p}, err
}

func sessionsConfig(url string, dial pgconn.DialFunc) (pool.Config[*pgconn.PgConn], error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return pool.Config[*pgconn.PgConn]{}, err
	}
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	return pool.Config[*pgconn.PgConn]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, network, address) },
		Open: func(ctx context.Context, c net.Conn) (*pgconn.PgConn, error) {
			own := config.Copy()
			own.DialFunc = first(c, dial)
			return pgconn.ConnectConfig(ctx, own)
		},
		Check: func(ctx context.Context, c *pgconn.PgConn) error { return c.Ping(ctx) },
		Close: func(c *pgconn.PgConn) error {
			ctx, cancel := context.WithTimeout(context.Background(), goodbye)
			defer cancel()
			return c.Close(ctx)
		},
		MaxConns: maxSessions,
	}, nil
}

// first is a dial function that gives c to the session, and whatever else the
// session dials, as it does to cancel a query, to dial.
func first(c net.Conn, dial pgconn.DialFunc) pgconn.DialFunc {
	var given atomic.Bool
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if given.CompareAndSwap(false, true) {
			return c, nil
		}
		return dial(ctx, network, address)
	}
}

// Do runs f on a session. The session does not go back to the pool if f leaves
// it closed, in a query or in a transaction.
func (s Sessions) Do(ctx context.Context, f func(ctx context.Context, c *pgconn.PgConn) error) error {
	return s.Pool.Do(ctx, func(ctx context.Context, c *pgconn.PgConn) error {
		defer discardUnlessIdle(c)
		return f(ctx, c)
	})
}

// idle is the transaction status of a session outside of a transaction.
const idle = 'I'

// discardUnlessIdle closes the connection of a session that cannot be used
// again, which the pool notices.
func discardUnlessIdle(c *pgconn.PgConn) {
	if c.IsClosed() || c.IsBusy() || c.TxStatus() != idle {
		c.Conn().Close()
	}
}
