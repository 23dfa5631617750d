// Package mariadb shows go-sql-driver/mysql over hale's connections: [OpenDB]
// sets the dial function in the driver's configuration, and [Register] gives it
// a name for programs that have a data source name only.
package mariadb

import (
	"context"
	"syscall"

	"example.com/hale/internal/lab/service"
)

// Server starts a MariaDB with an empty database, see [DSN]. The error matches
// [service.ErrAbsent] if it is not installed. The caller closes it.
func Server(ctx context.Context) (*service.Server, error) {
	return service.Service{
		Program: program("mariadbd"),
		Prepare: prepare,
		Args:    arguments,
		Stop:    syscall.SIGKILL, // shutting down in good order takes it seconds at times
	}.Start(ctx)
}

// DSN is where the driver finds the server at address.
func DSN(address string) string { return "hale@tcp(" + address + ")/test" }

func program(name string) service.Program {
	return service.Program{Name: name, Package: "mariadb-server"}
}

// user is who may log in, from anywhere and without a password: one statement
// a line.
const user = `create user if not exists hale;
grant all on *.* to hale;
create database if not exists test;
`

func prepare(ctx context.Context, h service.Home) error {
	if err := h.WriteFile("user.sql", []byte(user)); err != nil {
		return err
	}
	if err := h.WriteCertificate(); err != nil {
		return err
	}
	return h.Run(ctx, program("mariadb-install-db"), append(small(h), "--skip-test-db")...)
}

// small is a server that writes as little as it can.
func small(h service.Home) []string {
	return []string{
		"--no-defaults", "--datadir=" + h.Path("data"), "--tmpdir=" + h.Folder,
		"--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0",
	}
}

// arguments leave keepalive to the clients: the server's is the system's, two
// hours.
func arguments(h service.Home, host, port string) []string {
	return append(small(h), "--bind-address="+host, "--port="+port, "--skip-networking=0", "--skip-name-resolve",
		"--socket="+h.Path("socket"), "--pid-file="+h.Path("pid"), "--init-file="+h.Path("user.sql"), "--skip-log-bin",
		"--ssl-cert="+h.Path("certificate"), "--ssl-key="+h.Path("key"))
}
