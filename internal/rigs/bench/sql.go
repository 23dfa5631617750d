package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"testing"
)

// openSQL opens a database/sql whose driver does nothing: a use is db.Conn and
// its Close.
func openSQL(tb testing.TB, conns int) Use {
	db := sql.OpenDB(connector{DialTo(tb, new(net.Dialer))})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns) // 2 unless it is said
	tb.Cleanup(func() { db.Close() })
	return NewUse(
		func() (*sql.Conn, error) { return db.Conn(context.Background()) },
		(*sql.Conn).Close)
}

// connector is a driver for one endpoint.
type connector struct{ dial dialFunc }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.dial(ctx)
	return sqlConn{conn}, err
}

func (connector) Driver() driver.Driver { return nil } // only db.Driver asks for it

// sqlConn is a connection on which nothing can be asked.
type sqlConn struct{ conn }

var errNothing = errors.New("this driver does nothing")

func (sqlConn) Prepare(string) (driver.Stmt, error) { return nil, errNothing }
func (sqlConn) Begin() (driver.Tx, error)           { return nil, errNothing }
