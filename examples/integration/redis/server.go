// Package redishale shows go-redis over hale's connections: [NewClient] is for
// commands and for subscriptions.
package redishale

import (
	"context"

	"example.com/hale/examples/integration/internal/lab"
)

// Server starts an empty Redis. The error matches [lab.ErrAbsent] if it is not
// installed. The caller closes it.
func Server(ctx context.Context) (*lab.Server, error) {
	return lab.Service{
		Program: lab.Program{Name: "redis-server", Package: "redis-server"},
		Args:    arguments,
	}.Start(ctx)
}

// arguments keep it in memory, and leave keepalive to the clients.
func arguments(_ lab.Home, host, port string) []string {
	return []string{
		"--bind", host, "--port", port, "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--tcp-keepalive", "0",
	}
}
