package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"

	"example.com/hale/internal/lab/service"
)

// postgresSetup is what pgx's CONTRIBUTING.md asks for.
var postgresSetup = []string{
	"create role postgres superuser login",
	"create database pgx_test",
	`\connect pgx_test`,
	"create extension hstore",
	"create extension ltree",
	"create domain uint64 as numeric(20,0)",
}

// startPostgres starts a PostgreSQL for pgx.
func startPostgres(ctx context.Context) (env []string, stop func() error, err error) {
	server, err := service.Postgres(ctx)
	if err != nil {
		return nil, nil, err
	}
	host, port, _ := net.SplitHostPort(server.Addr)
	if err := setUpPostgres(ctx, host, port); err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	address := fmt.Sprintf("host=%s port=%s user=hale dbname=pgx_test", host, port)
	return []string{"PGX_TEST_DATABASE=" + address, "PGX_TEST_TCP_CONN_STRING=" + address}, server.Close, nil
}

func setUpPostgres(ctx context.Context, host, port string) error {
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "hale", "-d", "postgres"}
	for _, command := range postgresSetup {
		args = append(args, "-c", command)
	}
	if _, err := exec.LookPath("psql"); err != nil {
		return fmt.Errorf("%w: psql (Debian package postgresql-client)", service.ErrAbsent)
	}
	_, err := output(exec.CommandContext(ctx, "psql", args...))
	return err
}
