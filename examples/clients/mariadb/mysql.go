// Package mariadb shows go-sql-driver/mysql over hale's connections: [OpenDB]
// sets the dial function in the driver's configuration, and [Register] gives it
// a name for programs that have a data source name only.
package mariadb

import (
	"context"
	"database/sql"
	"net"

	"github.com/go-sql-driver/mysql"
)

// Dial is the DialContext of a hale.Dialer.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// OpenDB is a database/sql handle whose connections dial makes. It opens none
// yet.
//
// The driver does not tell who asks for a query why its connection died: the
// error is [mysql.ErrInvalidConn], with none under it. The reason goes to the
// driver's log alone. deaths is that log, and [Deaths.Explain] adds the reason;
// nil is the driver's own log, which writes it to standard error.
//
// The driver looks at the socket before it uses a connection again
// (CheckConnLiveness, on by default), so that nobody sees an idle death.
func OpenDB(dsn string, dial Dial, deaths *Deaths) (*sql.DB, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	config.DialFunc = dial
	if deaths != nil {
		config.Logger = deaths
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Register gives dial the name of a network, for data source names such as
// "user@hale(host:3306)/database". It is for the whole process; the driver
// hands the address on without a network, which dial needs.
func Register(network string, dial Dial) {
	mysql.RegisterDialContext(network, func(ctx context.Context, address string) (net.Conn, error) {
		return dial(ctx, "tcp", address)
	})
}
