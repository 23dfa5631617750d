package main

import (
	"context"

	grpchale "example.com/hale/examples/clients/grpc"
	httphale "example.com/hale/examples/clients/http"
	"example.com/hale/examples/clients/mariadb"
	natshale "example.com/hale/examples/clients/nats"
	"example.com/hale/examples/clients/postgres"
	goredis "example.com/hale/examples/clients/redis"
	rpchale "example.com/hale/examples/clients/rpc"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
)

// server is a server and those who use it.
type server struct {
	start   func(context.Context) (*service.Server, error)
	clients func() []trial.Client
}

// servers are all that are compared, in the order of the table.
var servers = []server{
	{postgres.Server, postgres.Clients},
	{mariadb.Server, mariadb.Clients},
	{goredis.Server, goredis.Clients},
	{httphale.Server, httphale.Clients},
	{grpchale.Server, grpchale.Clients},
	{natshale.Server, natshale.Clients},
	{rpchale.Server, rpchale.Clients},
}
