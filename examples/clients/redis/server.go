// Package redishale shows go-redis over hale's connections: [NewClient] is for
// commands and for subscriptions.
package redishale

import (
	"context"

	"example.com/hale/internal/lab/service"
)

// Server starts an empty Redis. The error matches [service.ErrAbsent] if it is not
// installed. The caller closes it.
func Server(ctx context.Context) (*service.Server, error) {
	return service.Service{
		Program: service.Program{Name: "redis-server", Package: "redis-server"},
		Args:    arguments,
	}.Start(ctx)
}

// arguments keep it in memory, and leave keepalive to the clients.
func arguments(_ service.Home, host, port string) []string {
	return []string{
		"--bind", host, "--port", port, "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--tcp-keepalive", "0",
	}
}
