package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"example.com/hale/internal/lab/trial"
	"example.com/hale/sockopt"
)

type options struct {
	promise time.Duration
	away    time.Duration
	limit   time.Duration
	workers int
	json    bool
}

const help = `usage: compare [flags]

columns, each for the library's own dialer and for hale's:
  busy   the longest that a request took, of workers that send them all the time
  idle   the same for a client that kept still and sends its first request a
         second after the promise
  users  what they saw: the causes of death that errors named, "timeout",
         "hung" (no answer until the end), other errors' last words, or "none"

exit status:
  0    the table was printed
  1    it could not be made
  2    bad usage
  3    this machine cannot freeze a server
  130  interrupted

flags:
`

// parse reads the command line. Its errors are one line; -help is printed to
// out and is [flag.ErrHelp].
func parse(args []string, out io.Writer) (options, error) {
	o, err := parseFlags(args, out)
	if err == nil {
		err = o.check()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = failure{err, exitUsage}
	}
	return o, err
}

func parseFlags(args []string, out io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.DurationVar(&o.promise, "promise", 5*time.Second, "`time` within which hale's connections notice, as sockopt.Within has it")
	fs.DurationVar(&o.away, "away", 3*time.Second, "`time` from the vanishing of a server until its address can be dialled again")
	fs.DurationVar(&o.limit, "limit", 30*time.Second, "`time` from there to the end, more than -away and than -promise and a second")
	fs.IntVar(&o.workers, "workers", 3, "`number` of workers that send requests at a time, for each busy client")
	fs.BoolVar(&o.json, "json", false, "print one JSON object and nothing else")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(out)
			fmt.Fprint(out, help)
			fs.PrintDefaults()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return o, nil
}

func (o options) check() error {
	if _, err := sockopt.Current().Plan(sockopt.Within(o.promise)); err != nil {
		return err
	}
	switch {
	case o.away <= 0:
		return fmt.Errorf("-away %v: has to be positive", o.away)
	case o.workers < 1:
		return fmt.Errorf("-workers %d: below 1", o.workers)
	case o.limit <= o.away:
		return fmt.Errorf("-limit %v: has to be above -away, %v", o.limit, o.away)
	case o.limit <= o.trial().Idle:
		return fmt.Errorf("-limit %v: has to be above %v, a second after -promise", o.limit, o.trial().Idle)
	}
	return nil
}

// trial is the options of each server's trial.
func (o options) trial() trial.Options {
	return trial.Options{
		Warm: time.Second, Away: o.away, Limit: o.limit,
		Workers: o.workers, Pause: 50 * time.Millisecond, Idle: o.promise + time.Second,
	}
}
