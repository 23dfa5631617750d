// Package grpchale shows grpc-go over hale: unary calls, streams, and hale's
// pool of gRPC clients.
package grpchale

import (
	"context"
	"math"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"example.com/hale/internal/lab/service"
)

// Server starts a gRPC server in this process. It has the standard health
// service, for unary calls, and one that echoes a stream.
func Server(context.Context) (*service.Server, error) {
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	// By default gRPC's servers bound unacknowledged data to 20 s; but one that
	// has vanished ends no connection.
	s := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{Time: math.MaxInt64}))
	healthpb.RegisterHealthServer(s, health.NewServer())
	s.RegisterService(&echoDesc, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return service.NewLocal("gRPC", l, func() error {
		s.Stop()
		return <-served
	})
}
