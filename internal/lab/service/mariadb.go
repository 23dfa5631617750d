package service

import (
	"context"
	"syscall"
)

// MariaDB starts a MariaDB with an empty database "test", in which the user
// "hale" needs no password. It speaks TLS with clients that ask for it. The
// error matches [ErrAbsent] if it is not installed. The caller closes it.
func MariaDB(ctx context.Context) (*Server, error) {
	return Service{
		Program: mariadbProgram("mariadbd"),
		Prepare: prepareMariaDB,
		Args:    mariadbArguments,
		Stop:    syscall.SIGKILL, // shutting down in good order takes it seconds at times
	}.Start(ctx)
}

func mariadbProgram(name string) Program {
	return Program{Name: name, Package: "mariadb-server"}
}

// mariadbUser is who may log in, from anywhere and without a password: one statement
// a line.
const mariadbUser = `create user if not exists hale;
grant all on *.* to hale;
create database if not exists test;
`

func prepareMariaDB(ctx context.Context, h Home) error {
	if err := h.WriteFile("user.sql", []byte(mariadbUser)); err != nil {
		return err
	}
	if err := h.WriteCertificate(); err != nil {
		return err
	}
	return h.Run(ctx, mariadbProgram("mariadb-install-db"), append(smallMariaDB(h), "--skip-test-db")...)
}

// smallMariaDB is a server that writes as little as it can.
func smallMariaDB(h Home) []string {
	return []string{
		"--no-defaults", "--datadir=" + h.Path("data"), "--tmpdir=" + h.Folder,
		"--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0",
	}
}

// mariadbArguments leave keepalive to the clients: the server's is the system's, two
// hours.
func mariadbArguments(h Home, host, port string) []string {
	return append(smallMariaDB(h), "--bind-address="+host, "--port="+port, "--skip-networking=0", "--skip-name-resolve",
		"--socket="+h.Path("socket"), "--pid-file="+h.Path("pid"), "--init-file="+h.Path("user.sql"), "--skip-log-bin",
		"--ssl-cert="+h.Path("certificate"), "--ssl-key="+h.Path("key"))
}
