// Frozenpeer measures how long a dead peer goes unnoticed, on the real kernel
// and against the prediction. A server sends 4 bytes, a client made by
// hale.Dialer reads them and blocks in a second Read, the peer is frozen, and
// the clock runs until that Read fails. A connection made by a plain
// net.Dialer goes through the same beside it.
//
//	go run ./examples/frozenpeer
//	go run ./examples/frozenpeer -idle 1s -interval 3s -count 10
//	go run ./examples/frozenpeer -idle 20s -interval 50s -count 1 -freeze-after 10s
//	go run ./examples/frozenpeer -scenario all
//
// It needs Linux, and root or the right to make a user namespace; with -addr,
// where the user freezes the server, it needs neither.
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

var (
	errMissed      = failure{errors.New("a measurement lies outside of its prediction"), exitMissed}
	errInterrupted = failure{errors.New("interrupted"), exitInterrupted}
)

func main() {
	do := measureFrozen
	if os.Getenv(childEnv) != "" {
		do = serve
	}
	err := do()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "frozenpeer:", err)
	}
	os.Exit(status(err))
}

func measureFrozen() error {
	o, err := parse(os.Args[1:], os.Stdout)
	if err != nil {
		return err
	}
	// What was done until here is done twice, see Isolate. A server elsewhere
	// would be out of reach in there.
	if o.addr == "" {
		if err := healthtest.Isolate(); err != nil {
			return failure{fmt.Errorf("this machine cannot freeze a peer: %w "+
				"(-addr measures against a server that you freeze yourself)", err), exitCannot}
		}
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
