// Soak keeps many workers busy through a pool of hale's connections while
// faults come at random, for as long as it is told, and checks every reply.
//
//	cd internal/rigs
//	go run ./soak                                 # one minute
//	go run ./soak -for 1h -seed 7 -workers 32
//	go run ./soak -for 10m -seed 8 -json
//
// Two servers, processes of their own, stand behind one name. Every request
// has a number, and both sides keep account of it, so that at the end each
// request is known to have been answered or to have failed, and to have been
// run as often as its client was told it may have been. The servers' account
// goes through a pipe before each reply, so that it outlives a server that is
// killed.
//
// The faults, and when they come, are a function of the seed:
//
//   - freeze: the server vanishes, as a machine that is paused, and comes back
//   - kill: the server is killed, and started again at the same port
//   - stop: the server is stopped behind a kernel that goes on answering
//   - reset: some of its connections are reset
//   - half-close: it closes its side of some connections, and reads on
//   - slow-reader: it stops reading from some connections, and goes on later
//   - move: the name leads to the other server, and the pool may be told
//
// They overlap. After each round of all seven there is a quiet moment: no
// fault, no request under way, and every connection of the pool acquired at
// once. Goroutines, descriptors and heap are counted there.
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

var errInterrupted = failure{errors.New("interrupted"), exitInterrupted}

func main() {
	if address := os.Getenv(serveEnv); address != "" {
		os.Exit(serve(address))
	}
	os.Exit(command(os.Args[1:]))
}

// command is the program as its user knows it.
func command(args []string) int {
	err := soak(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	return status(err)
}

func soak(args []string) error {
	o, err := parse(args, os.Stdout)
	if err != nil {
		return err
	}
	// What was done until here is done twice, see Isolate.
	if err := healthtest.Isolate(); err != nil {
		return failure{fmt.Errorf("this machine cannot freeze a server: %w", err), exitCannot}
	}
	return run(untilInterrupt(), o, os.Stdout)
}

// untilInterrupt returns a context that ends with the first signal; a second
// one ends the process. Its goroutine stays, for goroutines are counted.
func untilInterrupt() context.Context {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		end()
		select {}
	}()
	return ctx
}

func status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitHeld
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.status
	}
	return exitFailed
}
