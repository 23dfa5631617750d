package fake

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"example.com/hale/internal/lab/service"
)

// StartGRPC starts grpc-go's own server, with its health service.
func StartGRPC() (*Server, error) {
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	s := Around(l)
	// A server that does not allow its clients their pings hangs up on them.
	server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	s.Run(func() { _ = server.Serve(s.Listener(l)) }, server.Stop)
	return s, nil
}
