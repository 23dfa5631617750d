// Package postgres shows PostgreSQL's Go clients over hale's connections, one
// client in a file: [Connect] is pgx, [NewPool] pgxpool, [OpenDB] database/sql,
// and [NewSessions] a pool of hale's own. Only what they do with dial is
// needed; it is the DialContext of a hale.Dialer.
package postgres

import (
	"context"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/internal/lab/service"
)

// tryFor bounds one attempt to find out whether the server is ready.
const tryFor = 5 * time.Second

// Server starts a PostgreSQL with an empty database, see [URL]. It speaks TLS
// with clients that ask for it. The error matches [service.ErrAbsent] if it is not
// installed. The caller closes it.
func Server(ctx context.Context) (*service.Server, error) {
	return service.Service{
		Program: program("postgres"),
		Prepare: prepare,
		Args:    arguments,
		Ready:   ready,
		Stop:    syscall.SIGQUIT, // without a checkpoint
	}.Start(ctx)
}

// URL is where pgx finds the server at address.
func URL(address string) string {
	return "postgres://hale@" + address + "/postgres?sslmode=disable"
}

func program(name string) service.Program { return service.Program{Name: name, Package: "postgresql"} }

func prepare(ctx context.Context, h service.Home) error {
	if err := h.WriteCertificate(); err != nil {
		return err
	}
	return h.Run(ctx, program("initdb"), "-D", h.Path("data"), "-U", "hale", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
}

// arguments make it quick, and leave keepalive to the clients: a server that
// gave up first would send them a reset.
func arguments(h service.Home, host, port string) []string {
	args := []string{"-D", h.Path("data"), "-p", port}
	for _, setting := range []string{
		"listen_addresses=" + host,
		"unix_socket_directories=",
		"ssl=on", "ssl_cert_file=" + h.Path("certificate"), "ssl_key_file=" + h.Path("key"),
		"tcp_keepalives_idle=7200", "tcp_user_timeout=0",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"autovacuum=off", "shared_buffers=16MB",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// ready returns nil when sessions can be opened: the server listens before.
func ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	c, err := pgconn.Connect(ctx, URL(address))
	if err != nil {
		return err
	}
	return c.Close(ctx)
}
