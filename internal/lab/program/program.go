// Package program is what a command-line program of ours needs: flags whose
// errors are one line, an explanation of its exit statuses, an end by signals,
// and JSON.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program, and ends the process with its exit status.
func Main(name string, run func(ctx context.Context, args []string) error) {
	os.Exit(Run(name, os.Args[1:], run))
}

// MainIsolated is [Main] for a program that freezes peers of its own, as
// [healthtest.Isolate] lets it. parse reads the command line, and run does the
// rest.
func MainIsolated[O any](
	name string,
	parse func(args []string, out io.Writer) (O, error),
	run func(ctx context.Context, options O, out io.Writer) error,
) {
	Main(name, func(ctx context.Context, args []string) error {
		o, err := parse(args, os.Stdout)
		if err == nil {
			err = Isolate()
		}
		if err != nil {
			return err
		}
		return run(ctx, o, os.Stdout)
	})
}

// Run runs a program under signals, prints its error, and returns its exit
// status.
func Run(name string, args []string, run func(ctx context.Context, args []string) error) int {
	err := run(untilSignal(), args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	return Status(err)
}

// untilSignal is a context that ends with the first signal; a second one ends
// the process. Its goroutine stays, for there are programs that count theirs.
func untilSignal() context.Context {
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
