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
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/hale/health/healthtest"
)

// The exit statuses, as -help explains them.
const (
	exitShown       = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCannot      = 3
	exitInterrupted = 130 // as a shell has it: 128 plus SIGINT
)

// A failure is an error with an exit status of its own; others have exitFailed.
type failure struct {
	error
	status int
}

func main() {
	err := tracing()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "tracing:", err)
	}
	os.Exit(status(err))
}

func tracing() error {
	o, err := parse(os.Args[1:], os.Stdout)
	if err != nil {
		return err
	}
	// What was done until here is done twice, see Isolate.
	if err := healthtest.Isolate(); err != nil {
		return failure{fmt.Errorf("this machine cannot freeze a server: %w", err), exitCannot}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, o, os.Stdout)
}

func status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitShown
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.status
	}
	return exitFailed
}
