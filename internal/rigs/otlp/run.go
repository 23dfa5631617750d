package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/hale/internal/lab/outage"
	"example.com/hale/internal/lab/program"
)

// exportEvery is short for the sake of an outage of seconds. The SDK's defaults are a
// minute for metrics, and five seconds for spans.
const exportEvery = time.Second

// A rig is one run.
type rig struct {
	options
	outside outside

	// For tests; either may be nil.
	frozen  func() // the server has just been frozen
	healthy func() // all is over and exported, but the pool is still open
}

// run lets the outage happen and sends what is recorded of it.
func (p rig) run(ctx context.Context, out io.Writer) error {
	report, err := p.send(ctx)
	if ctx.Err() != nil {
		return program.ErrInterrupted
	}
	if err != nil {
		return program.Freezing(err)
	}
	_, err = io.WriteString(out, report)
	return err
}

// send returns what there is to tell in the end.
func (p rig) send(ctx context.Context) (string, error) {
	c, err := connect(ctx, p.outside.collector)
	if err != nil {
		return "", p.collectorFailed(err)
	}
	defer c.Close()
	// With an instance ID: processes of one name would overwrite each other's numbers.
	from, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithService(), resource.WithFromEnv(),
		resource.WithAttributes(semconv.ServiceName(p.service)))
	if err != nil {
		return "", err
	}
	spans, tracers, err := newTracers(ctx, c, from)
	if err != nil {
		return "", err
	}
	meters, stop, err := p.newMeters(ctx, c, from)
	if err != nil {
		return "", errors.Join(err, tracers.Shutdown(ctx))
	}
	defer stop()
	err = p.suffer(ctx, tracers, meters)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// In this order: what the pool's end adds to the metrics is of no use.
	lost := tracers.Shutdown(end)
	if spans.err != nil {
		lost = spans.err
	}
	_ = meters.Shutdown(end) // the last word on them was before
	switch {
	case err != nil:
		return "", err
	case lost != nil:
		return "", p.collectorFailed(lost)
	case spans.outage == nil:
		return "", errors.New("the recording has no outage")
	}
	return p.report(spans, c.takesMetrics), nil
}

func (p rig) collectorFailed(err error) error {
	return program.Failure{Err: fmt.Errorf("the collector at %s: %w", p.collector, err), Status: exitCollector}
}

// newTracers is a provider with a batcher, as programs have it that must not
// wait for a collector.
func newTracers(ctx context.Context, c collector, from *resource.Resource) (*sender, *sdktrace.TracerProvider, error) {
	// A retry, which is the default, is of no use on a connection that cannot be replaced.
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithGRPCConn(c.ClientConn),
		otlptracegrpc.WithTimeout(patience), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
	if err != nil {
		return nil, nil, err
	}
	s := &sender{SpanExporter: exporter}
	return s, sdktrace.NewTracerProvider(sdktrace.WithBatcher(s, sdktrace.WithBatchTimeout(exportEvery)), sdktrace.WithResource(from)), nil
}

// newMeters is a provider for the collector, if it takes metrics, and for
// Prometheus, if it is wanted. The caller calls stop.
func (p rig) newMeters(ctx context.Context, c collector, from *resource.Resource) (m *metric.MeterProvider, stop func(), err error) {
	all := []metric.Option{metric.WithResource(from)}
	if c.takesMetrics {
		exporter, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithGRPCConn(c.ClientConn),
			otlpmetricgrpc.WithTimeout(patience), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
		if err != nil {
			return nil, nil, err
		}
		all = append(all, metric.WithReader(metric.NewPeriodicReader(exporter, metric.WithInterval(exportEvery))))
	}
	if p.outside.scrapes == nil {
		return metric.NewMeterProvider(all...), func() {}, nil
	}
	s, reader, err := newScrapes()
	if err != nil {
		return nil, nil, err
	}
	m = metric.NewMeterProvider(append(all, metric.WithReader(reader))...)
	s.serve(p.outside.scrapes)
	return m, s.stop, nil
}

// suffer lets the outage happen.
func (p rig) suffer(ctx context.Context, tracers *sdktrace.TracerProvider, meters *metric.MeterProvider) error {
	var flushed error
	err := outage.Run(ctx, outage.Options{
		Tracers: tracers, Meters: meters,
		Times:  p.Times,
		Frozen: p.frozen,
		BeforeClose: func() {
			if flushed = meters.ForceFlush(ctx); flushed == nil && p.healthy != nil {
				p.healthy()
			}
		},
	})
	if flushed != nil {
		return p.collectorFailed(flushed)
	}
	return err
}

// report says what was sent where.
func (p rig) report(s *sender, metrics bool) string {
	o := s.outage
	where := "not to " + p.collector + ", which takes none"
	if metrics {
		where = "to " + p.collector
	}
	return fmt.Sprintf(`trace    %s
         the outage: %s, %v, %s connections lost
service  %s
spans    to %s, %d of them
metrics  %s
`, o.SpanContext().TraceID(), get(o, "hale.cause"), o.EndTime().Sub(o.StartTime()).Round(time.Millisecond), get(o, "hale.outage.lost"),
		p.service, p.collector, s.sent, where)
}
