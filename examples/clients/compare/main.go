// Compare uses well-known client libraries while their server vanishes, each
// through its own dialer and through hale's, and prints a table of what their
// users saw.
//
//	go run ./compare
//	go run ./compare -promise 10s
//	go run ./compare -json
//
// The servers are real ones on loopback: programs that this starts, and
// servers in this process. Each vanishes without a word while its clients send
// requests, or keep still; after a while its address answers again, but the
// connections of before stay silent, as when another machine has taken over.
// No client has a timeout that its library does not set by itself.
//
// It needs Linux, and root or the right to make a user namespace.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	grpchale "example.com/hale/examples/clients/grpc"
	httphale "example.com/hale/examples/clients/http"
	"example.com/hale/examples/clients/mariadb"
	natshale "example.com/hale/examples/clients/nats"
	"example.com/hale/examples/clients/postgres"
	goredis "example.com/hale/examples/clients/redis"
	rpchale "example.com/hale/examples/clients/rpc"
	"example.com/hale/internal/lab/comparison"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/service"
)

// servers are all that are compared, in the order of the table.
var servers = []comparison.Server{
	{Start: service.Postgres, Clients: postgres.Clients},
	{Start: service.MariaDB, Clients: mariadb.Clients},
	{Start: service.Redis, Clients: goredis.Clients},
	{Start: httphale.Server, Clients: httphale.Clients},
	{Start: grpchale.Server, Clients: grpchale.Clients},
	{Start: natshale.Server, Clients: natshale.Clients},
	{Start: service.NetRPC, Clients: rpchale.Clients},
}

func main() {
	program.MainIsolated("compare", parse, func(ctx context.Context, o options, out io.Writer) error {
		return run(ctx, o, servers, out, os.Stderr)
	})
}

// run compares, prints what it found to out, and what it skipped to notes.
func run(ctx context.Context, o options, servers []comparison.Server, out, notes io.Writer) error {
	rows, skipped, err := comparison.Measure(ctx, o.Options, servers)
	if err != nil {
		return err
	}
	for _, s := range skipped {
		fmt.Fprintln(notes, "compare: skipped:", s)
	}
	if o.json {
		return program.PrintJSON(out, comparison.NewDocument(o.Options, rows, skipped))
	}
	return comparison.PrintTable(out, o.Options, rows)
}
