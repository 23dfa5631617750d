// Compare uses well-known client libraries while their server vanishes, each
// through its own dialer and through hale's, and prints a table of what their
// users saw.
//
//	go run ./compare
//	go run ./compare -promise 10s
//	go run ./compare -json
//
// The servers are real ones on loopback: programs that this starts, and
// servers in this process. Each vanishes without a word while its clients send
// requests, or keep still; after a while its address answers again, but the
// connections of before stay silent, as when another machine has taken over.
// No client has a timeout that its library does not set by itself.
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

func (f failure) Unwrap() error { return f.error }

func main() {
	err := compare()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
	}
	os.Exit(status(err))
}

func compare() error {
	o, err := parse(os.Args[1:], os.Stdout)
	if err != nil {
		return err
	}
	// What was done until here is done twice, see Isolate.
	if err := healthtest.Isolate(); err != nil {
		return cannot(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, o, servers, os.Stdout, os.Stderr)
}

func cannot(err error) error {
	return failure{fmt.Errorf("this machine cannot freeze a server: %w", err), exitCannot}
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
