package mariadb

import (
	"context"

	"example.com/hale/internal/lab/trial"
)

// Clients are the ways to use MariaDB from Go.
func Clients() []trial.Client {
	return []trial.Client{{Name: "database/sql, mysql", Open: open}}
}

// DSN is where the driver finds the server at address.
func DSN(address string) string { return "hale@tcp(" + address + ")/test" }

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	var deaths Deaths
	db, err := OpenDB(DSN(address), dial, &deaths) // without dial the driver has its own
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error {
			var n int
			return deaths.Explain(db.QueryRowContext(ctx, "select 1").Scan(&n))
		},
		Close: db.Close,
	}, nil
}
