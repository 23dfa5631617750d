package program

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"example.com/hale/health/healthtest"
)

// The exit statuses.
const (
	Held        = 0
	Missed      = 1
	Usage       = 2
	Cannot      = 3
	Interrupted = 130 // as a shell has it: 128 plus SIGINT
)

// A Failure is an error with an exit status of its own; others have [Missed].
type Failure struct {
	Err    error
	Status int
}

func (f Failure) Error() string { return f.Err.Error() }

// Unwrap returns Err.
func (f Failure) Unwrap() error { return f.Err }

// ErrInterrupted is what a program returns whose context has ended.
var ErrInterrupted error = Failure{errors.New("interrupted"), Interrupted}

// Status is the exit status that err stands for.
func Status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return Held
	}
	if f, ok := errors.AsType[Failure](err); ok {
		return f.Status
	}
	return Missed
}

// Isolate is [healthtest.Isolate]. What a program does before it is done twice.
func Isolate() error {
	if err := healthtest.Isolate(); err != nil {
		return cannot(err)
	}
	return nil
}

// Freezing gives an error the status [Cannot] if it says that this machine does
// not allow what [healthtest.Freeze] does.
func Freezing(err error) error {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return cannot(err)
	}
	return err
}

func cannot(err error) error {
	return Failure{fmt.Errorf("this machine cannot freeze a peer: %w", err), Cannot}
}
