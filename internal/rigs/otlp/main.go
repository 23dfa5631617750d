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
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/otel"

	"example.com/hale/health/healthtest"
)

// The exit statuses, as -help explains them.
const (
	exitSent        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCannot      = 3
	exitCollector   = 4
	exitInterrupted = 130 // as a shell has it: 128 plus SIGINT
)

// A failure is an error with an exit status of its own; others have exitFailed.
type failure struct {
	error
	status int
}

func main() {
	err := otlp()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "otlp:", err)
	}
	os.Exit(status(err))
}

func otlp() error {
	o, err := parse(os.Args[1:], os.Stdout)
	if err != nil {
		return err
	}
	if err := reach(o); err != nil {
		return err
	}
	// What was done until here is done twice, see Isolate.
	if err := healthtest.Isolate(); err != nil {
		return failure{fmt.Errorf("this machine cannot freeze a server: %w", err), exitCannot}
	}
	outside, err := takeOver()
	if err != nil {
		return err
	}
	defer outside.Close()
	// What an exporter could not send is told once, at the end.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return program{options: o, outside: outside}.run(ctx, os.Stdout)
}

func status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitSent
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.status
	}
	return exitFailed
}
