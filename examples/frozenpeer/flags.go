package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	keepAlive   sockopt.KeepAlive
	freezeAfter time.Duration
	scenarios   []scenario
	json        bool
	addr        string // of a server that the user freezes; empty for one of our own
}

var exits = program.Exits{
	program.Held:   "every measurement lies within its prediction",
	program.Missed: "one does not, or could not be taken",
	program.Cannot: "this machine cannot freeze a peer, or has no options to predict by",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("frozenpeer", exits)
	k := &o.keepAlive
	fs.DurationVar(&k.Idle, "idle", time.Second, "quiet `time` before the first probe")
	fs.DurationVar(&k.Interval, "interval", time.Second, "`time` between unanswered probes")
	fs.IntVar(&k.Count, "count", 0, "unanswered `probes` before the kernel gives up (default 3, in scenario slow 2)")
	fs.DurationVar(&k.UserTimeout, "user-timeout", 0,
		"longest `time` that sent data may stay unacknowledged (default idle + interval*count)")
	fs.DurationVar(&k.StallTimeout, "stall-timeout", 0,
		"longest `time` that a live peer may read nothing (default for ever, in scenario stalled idle + interval*count)")
	fs.DurationVar(&o.freezeAfter, "freeze-after", 0, "quiet `time` between the data and what happens to the peer")
	name := fs.String("scenario", "idle", "what happens to the peer, one `of` "+names())
	fs.BoolVar(&o.json, "json", false, "print one JSON object for each scenario, one a line, and nothing else")
	fs.StringVar(&o.addr, "addr", "", "`host:port` of a server that you freeze yourself, in place of our own;\n"+
		"counts from its last sign of life, scenario idle only")
	err = fs.Parse(args, out, func() (err error) {
		if o.scenarios, err = find(*name); err != nil {
			return err
		}
		return cmp.Or(o.checkAddr(), o.checkTimes())
	})
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
	err := program.AtLeast(
		program.Least{Flag: "freeze-after", Value: o.freezeAfter},
		program.Least{Flag: "user-timeout", Value: o.keepAlive.UserTimeout}, // sockopt would take -1ns for none at all
		program.Least{Flag: "stall-timeout", Value: o.keepAlive.StallTimeout})
	if err != nil {
		return err
	}
	platform := sockopt.Current()
	plan, err := platform.Plan(o.keepAlive)
	if err != nil {
		return err
	}
	if _, latest := plan.Window(); latest == 0 || latest == sockopt.Never {
		err := fmt.Errorf("%s has no options to predict by: %s", platform, strings.Join(plan.Unsupported, "; "))
		return program.Failure{Err: err, Status: program.Cannot}
	}
	return nil
}
