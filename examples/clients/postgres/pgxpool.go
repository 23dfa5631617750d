package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/hale"
)

// NewPool is a pgxpool that hands out no connection which has died or which
// the server has closed. It opens them on demand.
func NewPool(ctx context.Context, url string, dial pgconn.DialFunc) (*pgxpool.Pool, error) {
	config, err := poolConfig(url, dial)
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// poolConfig leaves pgxpool's own ping on, of connections that were idle for a
// second. It costs a round trip, and finds those whose server is gone but not
// for long enough to be dead: the query is not lost with them.
func poolConfig(url string, dial pgconn.DialFunc) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.DialFunc = dial
	config.PrepareConn = func(_ context.Context, c *pgx.Conn) (bool, error) {
		return alive(c), nil // false: it is closed, and another one taken
	}
	return config, nil
}

// alive asks the death watch: one atomic load on Linux. It finds the connection
// under TLS as well.
func alive(c *pgx.Conn) bool {
	conn, ok := hale.From(c.PgConn().Conn())
	return !ok || conn.Err() == nil
}
