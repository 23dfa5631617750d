package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcstatus "google.golang.org/grpc/status"
)

// collector is who takes spans, and metrics if it can.
type collector struct {
	*grpc.ClientConn
	takesMetrics bool
}

// connect speaks to the collector over the connection that there is; another
// is not to be had in here. The caller closes what it returns.
func connect(ctx context.Context, over net.Conn) (collector, error) {
	one := make(chan net.Conn, 1)
	one <- over
	conn, err := grpc.NewClient("passthrough:///"+over.RemoteAddr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-one:
				return c, nil
			default:
				return nil, errLost
			}
		}))
	if err != nil {
		return collector{}, err
	}
	c := collector{ClientConn: conn}
	if err := c.ask(ctx); err != nil {
		conn.Close()
		return collector{}, err
	}
	return c, nil
}

var errLost = errors.New("the connection is lost")

// ask sends nothing, to see what the collector takes.
func (c *collector) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := coltraces.NewTraceServiceClient(c).Export(ctx, &coltraces.ExportTraceServiceRequest{})
	if err != nil {
		return fmt.Errorf("takes no spans: %w", err)
	}
	_, err = colmetrics.NewMetricsServiceClient(c).Export(ctx, &colmetrics.ExportMetricsServiceRequest{})
	c.takesMetrics = err == nil
	if err != nil && grpcstatus.Code(err) != codes.Unimplemented {
		return fmt.Errorf("takes no metrics: %w", err)
	}
	return nil
}
