package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"example.com/hale/sockopt"
)

type options struct {
	within      time.Duration
	freezeAfter time.Duration
	thawAfter   time.Duration
	runOn       time.Duration
	json        bool
}

const help = `usage: failover [flags]

exit status:
  0    nothing sent twice, no crossed reply, no dead connection handed out,
       and no stall longer than predicted plus one second
  1    one of these is not so, or the run failed
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
	fs := flag.NewFlagSet("failover", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.DurationVar(&o.within, "within", 3*time.Second, "`time` within which hale's connections notice, as sockopt.Within has it")
	fs.DurationVar(&o.freezeAfter, "freeze-after", 2*time.Second, "`time` of load before A is frozen")
	fs.DurationVar(&o.thawAfter, "thaw-after", 8*time.Second, "`time` from there until A is thawed; the plain pool is stopped just before")
	fs.DurationVar(&o.runOn, "run-on", 2*time.Second, "`time` of load after that")
	fs.BoolVar(&o.json, "json", false, "run hale's pool alone, and print one JSON object and nothing else")
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
		name  string
		value time.Duration
	}{{"freeze-after", o.freezeAfter}, {"thaw-after", o.thawAfter}, {"run-on", o.runOn}} {
		if f.value < 0 {
			return fmt.Errorf("-%s %v: below 0s", f.name, f.value)
		}
	}
	_, err := sockopt.Current().Plan(sockopt.Within(o.within))
	return err
}
