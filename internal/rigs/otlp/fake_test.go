package main

import (
	"context"
	"sync"
	"testing"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// fake is a collector that keeps spans. It takes metrics only if it is told to.
type fake struct {
	coltraces.UnimplementedTraceServiceServer
	addr   string
	server *grpc.Server

	mu    sync.Mutex // guards what follows
	spans []*trace.Span
	limit int // spans after which it takes no more; 0 is none
}

// serveFake starts f, and metrics if it is not nil, until the test ends.
func serveFake(t *testing.T, f *fake, metrics *metricsSink) *fake {
	t.Helper()
	l := listen(t)
	f.addr = l.Addr().String()
	f.server = grpc.NewServer()
	coltraces.RegisterTraceServiceServer(f.server, f)
	if metrics != nil {
		metrics.names = make(map[string]struct{})
		colmetrics.RegisterMetricsServiceServer(f.server, metrics)
	}
	done := make(chan error, 1)
	go func() { done <- f.server.Serve(l) }()
	t.Cleanup(func() {
		f.server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// Export keeps spans.
func (f *fake) Export(_ context.Context, r *coltraces.ExportTraceServiceRequest) (*coltraces.ExportTraceServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, resource := range r.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			if f.limit > 0 && len(f.spans)+len(scope.Spans) > f.limit {
				return nil, grpcstatus.Error(codes.InvalidArgument, "full")
			}
			f.spans = append(f.spans, scope.Spans...)
		}
	}
	return &coltraces.ExportTraceServiceResponse{}, nil
}

// named is the spans of a name.
func (f *fake) named(name string) (found []*trace.Span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, span := range f.spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// count is how many spans of a name there are.
func (f *fake) count(name string) int { return len(f.named(name)) }

// metricsSink takes metrics.
type metricsSink struct {
	colmetrics.UnimplementedMetricsServiceServer

	mu    sync.Mutex // guards names
	names map[string]struct{}
}

// Export keeps the names.
func (s *metricsSink) Export(_ context.Context, r *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range r.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				s.names[m.Name] = struct{}{}
			}
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

// has reports whether a metric of that name has come.
func (s *metricsSink) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.names[name]
	return ok
}
