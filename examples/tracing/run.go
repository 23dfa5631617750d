package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/hale/internal/lab/outage"
)

// run lets the outage happen and prints what was recorded of it.
func run(ctx context.Context, o options, out io.Writer) error {
	spans, metrics, err := record(ctx, o)
	switch {
	case ctx.Err() != nil:
		return failure{errors.New("interrupted"), exitInterrupted}
	case errors.Is(err, os.ErrPermission), errors.Is(err, errors.ErrUnsupported):
		return failure{fmt.Errorf("this machine cannot freeze a server: %w", err), exitCannot}
	case err != nil:
		return err
	}
	if o.json {
		return printJSON(out, spans)
	}
	if err := printTraces(out, spans); err != nil {
		return err
	}
	return printMetrics(out, metrics)
}

func record(ctx context.Context, o options) ([]span, metricdata.ResourceMetrics, error) {
	var spans keeper
	var metrics metricdata.ResourceMetrics
	// A program with an exporter that is slow has a batcher in place of the syncer.
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(&spans))
	reader := metric.NewManualReader()
	meters := metric.NewMeterProvider(metric.WithReader(reader))
	var collected error
	err := outage.Run(ctx, outage.Options{
		Tracers: tracers, Meters: meters,
		FreezeAfter: o.freezeAfter, ThawAfter: o.thawAfter, RunOn: o.runOn,
		BeforeClose: func() { collected = reader.Collect(ctx, &metrics) },
	})
	end := context.WithoutCancel(ctx)
	err = errors.Join(err, collected, tracers.Shutdown(end), meters.Shutdown(end))
	return spans.spans, metrics, err
}
