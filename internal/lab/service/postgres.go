package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Postgres starts a PostgreSQL with an empty database "postgres", in which the
// user "hale" needs no password. It speaks TLS with clients that ask for it. The
// error matches [ErrAbsent] if it is not installed. The caller closes it.
func Postgres(ctx context.Context) (*Server, error) { return startPostgres(ctx) }

// PostgresWithoutTLS is the same, but refuses TLS.
func PostgresWithoutTLS(ctx context.Context) (*Server, error) {
	return startPostgres(ctx, "-c", "ssl=off")
}

func startPostgres(ctx context.Context, more ...string) (*Server, error) {
	return Service{
		Program: postgresProgram("postgres"),
		Prepare: preparePostgres,
		Args: func(h Home, host, port string) []string {
			return append(postgresArguments(h, host, port), more...)
		},
		Ready: postgresReady,
		Stop:  quit, // without a checkpoint
	}.Start(ctx)
}

// standbyName is what the standby of a pair calls itself at its primary.
const standbyName = "standby"

// PostgresPair starts a primary and its standby, as [Postgres] starts one: by
// streaming replication, and synchronous, so that a commit is acknowledged when both
// have it. "select pg_promote()" at the standby makes it a primary, which waits for
// no standby. The caller closes both.
func PostgresPair(ctx context.Context) (primary, standby *Server, err error) {
	// The name is on the command line, and so not in what the standby copies.
	primary, err = startPostgres(ctx, "-c", "synchronous_commit=on", "-c", "synchronous_standby_names="+standbyName)
	if err != nil {
		return nil, nil, err
	}
	standby, err = Service{
		Program: postgresProgram("postgres"),
		Prepare: func(ctx context.Context, h Home) error { return copyPostgres(ctx, h, primary.Addr) },
		Args: func(h Home, host, port string) []string {
			return append(postgresArguments(h, host, port), "-c", "synchronous_commit=on")
		},
		Ready: postgresReady,
		Stop:  quit,
	}.Start(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, primary.Close())
	}
	return primary, standby, nil
}

// copyPostgres makes the folder of a standby of the server at address.
func copyPostgres(ctx context.Context, h Home, address string) error {
	if err := h.WriteCertificate(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	from := fmt.Sprintf("host=%s port=%s user=hale application_name=%s", host, port, standbyName)
	return h.Run(ctx, postgresProgram("pg_basebackup"), "-d", from, "-D", h.Path("data"), "-R",
		"-X", "stream", "-c", "fast", "-C", "-S", standbyName, "--no-sync")
}

func postgresProgram(name string) Program { return Program{Name: name, Package: "postgresql"} }

func preparePostgres(ctx context.Context, h Home) error {
	if err := h.WriteCertificate(); err != nil {
		return err
	}
	return h.Run(ctx, postgresProgram("initdb"), "-D", h.Path("data"), "-U", "hale", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
}

// postgresArguments make it quick, and leave keepalive to the clients: a server that
// gave up first would send them a reset.
func postgresArguments(h Home, host, port string) []string {
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

// What is said to open a session and to end it, and the first byte of the answer
// (the messages StartupMessage, Terminate and AuthenticationOk of PostgreSQL's
// documentation, "Message Formats").
const (
	postgresHello   = "\x00\x00\x00\x25\x00\x03\x00\x00user\x00hale\x00database\x00postgres\x00\x00"
	postgresGoodbye = "X\x00\x00\x00\x04"
	postgresWelcome = 'R'
)

// tryFor bounds one attempt to find out whether the server is ready.
const tryFor = 5 * time.Second

// postgresReady returns nil when sessions can be opened: the server listens
// before.
func postgresReady(ctx context.Context, address string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(tryFor)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, postgresHello); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if answer[0] != postgresWelcome {
		return fmt.Errorf("opens no sessions: message %q", answer)
	}
	_, err = io.WriteString(c, postgresGoodbye)
	return err
}
