// Failover freezes the server that a busy pool of hale's connections works
// with, and shows what the callers see of it: how long they wait, which
// requests are lost, and that none is sent twice or gets the reply of another.
// A pool of plain connections (puddle and net.Dialer, both with their
// defaults) goes through the same beside it.
//
//	go run ./examples/failover
//	go run ./examples/failover -within 5s
//	go run ./examples/failover -thaw-after 1s
//	go run ./examples/failover -json
//
// Two servers stand behind one name, as in a name service that notices when
// one does not answer: the name leads to A until a dial to A has failed (after
// half a second), and from then on to B. The pools look it up anew for every
// dial. Eight workers send numbered requests over a pool of 16 connections,
// all of them to A, when A is frozen in the middle of it.
//
// A request that is under way then fails, and its worker goes on with the
// next: nobody can know whether A has run it, so it is not sent again. A
// stall, for the exit status, is the longest time that any one worker had no
// good reply.
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
	exitHeld        = 0
	exitMissed      = 1
	exitUsage       = 2
	exitCannot      = 3
	exitInterrupted = 130 // as a shell has it: 128 plus SIGINT
)

// A failure is an error with an exit status of its own; others have exitMissed.
type failure struct {
	error
	status int
}

var errInterrupted = failure{errors.New("interrupted"), exitInterrupted}

func main() {
	err := failover()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "failover:", err)
	}
	os.Exit(status(err))
}

func failover() error {
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
		return exitHeld
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.status
	}
	return exitMissed
}
