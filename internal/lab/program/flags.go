package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Exits says what the exit statuses of a program mean. What [Usage] and
// [Interrupted] mean need not be said.
type Exits map[int]string

// Flags is a set of flags with a help text that explains the exit statuses.
type Flags struct {
	*flag.FlagSet
	Intro string // comes before them, if there is more to explain
	exits Exits
}

// NewFlags returns a set that has no flags yet.
func NewFlags(name string, exits Exits) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), exits: maps.Clone(exits)}
	f.SetOutput(io.Discard)
	f.exits[Usage] = "bad usage"
	if _, said := exits[Interrupted]; !said {
		f.exits[Interrupted] = "interrupted"
	}
	return f
}

// Parse reads the command line, then calls check, which finds what is wrong
// with the values; it may be nil. An error is one line and has the status
// [Usage], if it is not a [Failure] already. -help is printed to out, and is
// [flag.ErrHelp].
func (f *Flags) Parse(args []string, out io.Writer, check func() error) error {
	err := f.FlagSet.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.help(out)
		return err
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case err == nil && check != nil:
		err = check()
	}
	if _, has := errors.AsType[Failure](err); err == nil || has {
		return err
	}
	return Failure{err, Usage}
}

func (f *Flags) help(out io.Writer) {
	fmt.Fprintf(out, "usage: %s [flags]\n%s\nexit status:\n", f.Name(), f.Intro)
	for _, status := range slices.Sorted(maps.Keys(f.exits)) {
		fmt.Fprintf(out, "  %-4d %s\n", status, strings.ReplaceAll(f.exits[status], "\n", "\n       "))
	}
	fmt.Fprint(out, "\nflags:\n")
	f.SetOutput(out)
	f.PrintDefaults()
}

// A Least is the value of a flag, and what it has to be at the least.
type Least struct {
	Flag         string
	Value, Least time.Duration
}

// AtLeast finds the first value that is too small.
func AtLeast(flags ...Least) error {
	for _, f := range flags {
		if f.Value < f.Least {
			return fmt.Errorf("-%s %v: below %v", f.Flag, f.Value, f.Least)
		}
	}
	return nil
}
