// Package postgres shows PostgreSQL's Go clients over hale's connections, one
// client in a file: [Connect] is pgx, [NewPool] pgxpool, [OpenDB] database/sql,
// [NewSessions] a pool of hale's own, and [NewCluster] one of a primary and its
// replicas. Only what they do with dial is
// needed; it is the DialContext of a hale.Dialer.
package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Connect opens one connection with pgx. When the server is gone, the query
// that waits fails, with hale's DeadError under the error of pgx. pgx has closed
// the connection then, and connecting again is up to the caller.
func Connect(ctx context.Context, url string, dial pgconn.DialFunc) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.DialFunc = dial // for cancel requests, too
	return pgx.ConnectConfig(ctx, config)
}
