// Tracing shows what an engineer on call sees of an outage: a busy pool of
// hale's connections whose server is frozen and thawed again, as OpenTelemetry
// records it. Three traces are printed, and the metrics after them.
//
//	go run ./examples/tracing
//	go run ./examples/tracing -thaw-after 8s
//	go run ./examples/tracing -json
//
// The first trace is the outage, from the silence of the server until the pool
// was whole again; the second a request that was under way, and failed; the
// third a request that had to wait for a connection, which is linked to the
// outage.
//
// Nothing leaves the process: spans and metrics stay in memory. A program that
// sends them away has other exporters, and nothing else is different.
//
// It needs Linux, and root or the right to make a user namespace.
package main

import (
	"context"
	"errors"
	"io"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/hale/internal/lab/outage"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/spans"
)

func main() { program.MainIsolated("tracing", parse, run) }

// run lets the outage happen and prints what was recorded of it.
func run(ctx context.Context, o options, out io.Writer) error {
	var recorded spans.Recorder
	// A program with an exporter that is slow has a batcher in place of the syncer.
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(&recorded))
	reader := metric.NewManualReader()
	meters := metric.NewMeterProvider(metric.WithReader(reader))

	var metrics metricdata.ResourceMetrics
	var collected error
	err := outage.Run(ctx, outage.Options{
		Tracers: tracers, Meters: meters,
		Times:       o.Times,
		BeforeClose: func() { collected = reader.Collect(ctx, &metrics) },
	})
	end := context.WithoutCancel(ctx)
	err = errors.Join(err, collected, tracers.Shutdown(end), meters.Shutdown(end))
	if ctx.Err() != nil {
		return program.ErrInterrupted
	}
	if err != nil {
		return program.Freezing(err)
	}
	return printAll(out, o, recorded.Spans(), metrics)
}

func printAll(out io.Writer, o options, recorded []sdktrace.ReadOnlySpan, metrics metricdata.ResourceMetrics) error {
	if o.json {
		return program.PrintJSON(out, spans.Documents(recorded)...)
	}
	if err := spans.PrintTraces(out, recorded); err != nil {
		return err
	}
	return spans.PrintMetrics(out, metrics)
}
