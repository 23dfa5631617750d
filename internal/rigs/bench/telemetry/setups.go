package telemetry

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	otelhale "example.com/hale/otel"
)

// A setup is who is told what happens.
type setup struct {
	name, bound string
	begin       func(ctx context.Context) (*running, error)
}

// running is a setup in use. telemetry is nil without an observer.
type running struct {
	telemetry *otelhale.Telemetry
	exported  *scales
	flush     func(context.Context) error
	end       func(context.Context) error
}

func nothing(context.Context) error { return nil }

var setups = []setup{
	{"no observer", "the pool's and the dialer's own work", func(context.Context) (*running, error) {
		return &running{exported: new(scales), flush: nothing, end: nothing}, nil
	}},
	{"noop providers", "a nil check, and calls of hooks that find nothing to do", func(context.Context) (*running, error) {
		t, err := otelhale.New(otelhale.WithTracerProvider(tracenoop.NewTracerProvider()), otelhale.WithMeterProvider(metricnoop.NewMeterProvider()))
		return &running{telemetry: t, exported: new(scales), flush: nothing, end: nothing}, err
	}},
	{"SDK, never sampled", "the SDK's metrics, by a lock or atomics in each instrument", func(ctx context.Context) (*running, error) {
		return withSDK(ctx, sdktrace.NeverSample())
	}},
	{"SDK, always sampled", "the same, and the SDK's spans and their attributes", func(ctx context.Context) (*running, error) {
		return withSDK(ctx, sdktrace.AlwaysSample())
	}},
}

// withSDK exports spans in batches to scales that weigh them, and collects metrics.
func withSDK(ctx context.Context, sampler sdktrace.Sampler) (*running, error) {
	s := new(scales)
	exporter, err := otlptrace.New(ctx, s)
	if err != nil {
		return nil, err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithBatcher(exporter))
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	t, err := otelhale.New(otelhale.WithTracerProvider(traces), otelhale.WithMeterProvider(meters))
	return &running{telemetry: t, exported: s, flush: traces.ForceFlush, end: func(ctx context.Context) error {
		_ = meters.Shutdown(ctx)
		return traces.Shutdown(ctx)
	}}, err
}

// scales are an OTLP client that weighs what it is to send.
type scales struct {
	mu           sync.Mutex // guards what follows
	spans, bytes int
}

var _ otlptrace.Client = (*scales)(nil)

func (s *scales) Start(context.Context) error { return nil }
func (s *scales) Stop(context.Context) error  { return nil }

func (s *scales) UploadTraces(_ context.Context, all []*tracepb.ResourceSpans) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		s.bytes += proto.Size(r)
		for _, scope := range r.GetScopeSpans() {
			s.spans += len(scope.GetSpans())
		}
	}
	return nil
}

// reset takes what was weighed so far.
func (s *scales) reset() (spans, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans, bytes = s.spans, s.bytes
	s.spans, s.bytes = 0, 0
	return spans, bytes
}
