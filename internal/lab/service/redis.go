package service

import "context"

// Redis starts an empty Redis. The error matches [ErrAbsent] if it is not
// installed. The caller closes it.
func Redis(ctx context.Context) (*Server, error) {
	return Service{
		Program: Program{Name: "redis-server", Package: "redis-server"},
		Args:    redisArguments,
	}.Start(ctx)
}

// redisArguments keep it in memory, and leave keepalive to the clients.
func redisArguments(_ Home, host, port string) []string {
	return []string{
		"--bind", host, "--port", port, "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--tcp-keepalive", "0",
	}
}
