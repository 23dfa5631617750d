package main

import (
	"fmt"
	"io"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	n      int
	over   time.Duration
	idle   time.Duration
	within time.Duration
	freeze bool
}

var exits = program.Exits{
	program.Held:   "all connections know that their peer is gone",
	program.Missed: "they do not, or the run failed",
	program.Cannot: "this machine cannot freeze a peer",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("crowd", exits)
	fs.IntVar(&o.n, "n", 20000, "`number` of connections")
	fs.DurationVar(&o.over, "over", 10*time.Second, "`time` to open them in")
	fs.DurationVar(&o.idle, "idle", 30*time.Second, "`time` to leave them idle")
	fs.DurationVar(&o.within, "within", sockopt.DefaultWithin, "`time` within which a silent peer must be noticed")
	fs.BoolVar(&o.freeze, "freeze", false, "the peers fall silent, in place of a reset")
	err = fs.Parse(args, out, o.check)
	return o, err
}

func (o *options) check() error {
	if o.n < 1 {
		return fmt.Errorf("-n %d: below 1", o.n)
	}
	return program.AtLeast(
		program.Least{Flag: "over", Value: o.over},
		program.Least{Flag: "idle", Value: o.idle})
}
