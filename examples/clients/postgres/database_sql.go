package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB is a database/sql handle over pgx that uses no connection again which
// has died or which the server has closed. It opens none yet.
//
// Mind statements without arguments: when their connection dies, Exec of pgx
// 5.12 says that it was closed and that trying again is safe, although the
// server may have run them, and database/sql does try again. With arguments, or
// by Query, the error is that of the connection.
func OpenDB(url string, dial pgconn.DialFunc) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.DialFunc = dial
	return stdlib.OpenDB(*config, stdlib.OptionResetSession(reset)), nil
}

// reset is called before a connection is used again.
func reset(_ context.Context, c *pgx.Conn) error {
	if !alive(c) {
		return driver.ErrBadConn // database/sql takes another one
	}
	return nil
}
