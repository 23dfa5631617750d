package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"example.com/hale/sockopt"
)

type options struct {
	keepAlive   sockopt.KeepAlive
	freezeAfter time.Duration
	scenarios   []scenario
	json        bool
	addr        string // of a server that the user freezes; empty for one of our own
}

const help = `usage: frozenpeer [flags]

exit status:
  0    every measurement lies within its prediction
  1    one does not, or could not be taken
  2    bad usage
  3    this machine cannot freeze a peer, or has no options to predict by
  130  interrupted

flags:
`

// parse reads the command line, and finds what is wrong with it before
// anything is dialled. Its errors are one line; -help is printed to out and is
// [flag.ErrHelp].
func parse(args []string, out io.Writer) (options, error) {
	o, err := parseFlags(args, out)
	if err == nil {
		err = cmp.Or(o.checkAddr(), o.checkTimes())
	}
	if err != nil && status(err) == exitMissed {
		err = failure{err, exitUsage}
	}
	return o, err
}

func parseFlags(args []string, out io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("frozenpeer", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	k := &o.keepAlive
	fs.DurationVar(&k.Idle, "idle", time.Second, "quiet `time` before the first probe")
	fs.DurationVar(&k.Interval, "interval", time.Second, "`time` between unanswered probes")
	fs.IntVar(&k.Count, "count", 3, "unanswered `probes` before the kernel gives up")
	fs.DurationVar(&k.UserTimeout, "user-timeout", 0,
		"longest `time` that sent data may stay unacknowledged (default idle + interval*count)")
	fs.DurationVar(&k.StallTimeout, "stall-timeout", 0,
		"longest `time` that a live peer may read nothing (default for ever, in scenario stalled idle + interval*count)")
	fs.DurationVar(&o.freezeAfter, "freeze-after", 0, "quiet `time` between the data and what happens to the peer")
	name := fs.String("scenario", "idle", "what happens to the peer, one `of` "+names())
	fs.BoolVar(&o.json, "json", false, "print one JSON object for each scenario, one a line, and nothing else")
	fs.StringVar(&o.addr, "addr", "", "`host:port` of a server that you freeze yourself, in place of our own;\n"+
		"counts from its last sign of life, scenario idle only")
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
	o.scenarios, err = find(*name)
	return o, err
}

func (o options) checkAddr() error {
	if o.addr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return fmt.Errorf("-addr %q: not host:port: %w", o.addr, err)
	}
	if len(o.scenarios) > 1 || o.scenarios[0].name != "idle" || o.freezeAfter > 0 {
		return errors.New("-addr: you freeze that server, so -scenario can only be idle, and -freeze-after means nothing")
	}
	return nil
}

func (o options) checkTimes() error {
	if o.freezeAfter < 0 {
		return fmt.Errorf("-freeze-after %v: below 0s", o.freezeAfter)
	}
	if o.keepAlive.UserTimeout < 0 { // sockopt would take -1ns for none at all
		return fmt.Errorf("-user-timeout %v: below 0s", o.keepAlive.UserTimeout)
	}
	if o.keepAlive.StallTimeout < 0 {
		return fmt.Errorf("-stall-timeout %v: below 0s", o.keepAlive.StallTimeout)
	}
	platform := sockopt.Current()
	plan, err := platform.Plan(o.keepAlive)
	if err != nil {
		return err
	}
	if _, latest := plan.Window(); latest == 0 || latest == sockopt.Never {
		return failure{fmt.Errorf("%s has no options to predict by: %s",
			platform, strings.Join(plan.Unsupported, "; ")), exitCannot}
	}
	return nil
}
