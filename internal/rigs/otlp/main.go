// Otlp sends to a collector what hale records of an outage: a busy pool of
// connections whose server is frozen and thawed again, as in examples/tracing,
// whose README tells how to read it.
//
//	go run ./otlp
//	go run ./otlp -otlp collector.example:4317 -service orders-client
//	go run ./otlp -prometheus 127.0.0.1:9464 -run-on 1m
//
// The collector is anything that takes OTLP by gRPC without TLS: Jaeger,
// Grafana Tempo, the OpenTelemetry Collector. One that takes no metrics, as
// Jaeger, gets the spans alone. At the end the ID of the outage's trace is
// printed, once the collector has confirmed it.
//
// It needs Linux, and root or the right to make a user namespace. In such a
// namespace the network is out of reach, so the connection to the collector
// and the listener for Prometheus are made before.
package main

import (
	"context"
	"os"

	"go.opentelemetry.io/otel"

	"example.com/hale/internal/lab/program"
)

func main() { program.Main("otlp", otlp) }

func otlp(ctx context.Context, args []string) error {
	o, err := parse(args, os.Stdout)
	if err != nil {
		return err
	}
	if err := reach(o); err != nil {
		return err
	}
	if err := program.Isolate(); err != nil {
		return err
	}
	outside, err := takeOver()
	if err != nil {
		return err
	}
	defer outside.Close()
	// What an exporter could not send is told once, at the end.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	return rig{options: o, outside: outside}.run(ctx, os.Stdout)
}
