package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

type options struct {
	freezeAfter time.Duration
	thawAfter   time.Duration
	runOn       time.Duration
	json        bool
}

const help = `usage: tracing [flags]

exit status:
  0    the outage was recorded and shown
  1    it was not
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
	fs := flag.NewFlagSet("tracing", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.DurationVar(&o.freezeAfter, "freeze-after", time.Second, "`time` of load on a full pool before the server is frozen")
	fs.DurationVar(&o.thawAfter, "thaw-after", 4500*time.Millisecond, "`time` from there until it is thawed, at least 2.5s: the connections have to die first")
	fs.DurationVar(&o.runOn, "run-on", 500*time.Millisecond, "`time` of load after the pool has healed")
	fs.BoolVar(&o.json, "json", false, "print all spans as JSON objects, one to a line, and nothing else")
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
	for _, f := range []struct {
		name         string
		value, least time.Duration
	}{{"freeze-after", o.freezeAfter, 0}, {"thaw-after", o.thawAfter, 2500 * time.Millisecond}, {"run-on", o.runOn, 0}} {
		if f.value < f.least {
			return fmt.Errorf("-%s %v: below %v", f.name, f.value, f.least)
		}
	}
	return nil
}
