package main

import (
	"io"
	"net"
	"time"

	"example.com/hale/internal/lab/livepage"
	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	within      time.Duration
	freezeAfter time.Duration
	thawAfter   time.Duration
	runOn       time.Duration
	json        bool
	page        net.Listener // at which to serve the live page, or nil
}

var exits = program.Exits{
	program.Held: "nothing sent twice, no crossed reply, no dead connection handed out,\n" +
		"and no stall longer than predicted plus one second",
	program.Missed: "one of these is not so, or the run failed",
	program.Cannot: "this machine cannot freeze a server",
}

func parse(args []string, out io.Writer) (o options, err error) {
	var at string
	fs := program.NewFlags("failover", exits)
	fs.DurationVar(&o.within, "within", 3*time.Second, "`time` within which hale's connections notice, as sockopt.Within has it")
	fs.DurationVar(&o.freezeAfter, "freeze-after", 2*time.Second, "`time` of load before A is frozen")
	fs.DurationVar(&o.thawAfter, "thaw-after", 8*time.Second, "`time` from there until A is thawed; the plain pool is stopped just before")
	fs.DurationVar(&o.runOn, "run-on", 2*time.Second, "`time` of load after that")
	fs.BoolVar(&o.json, "json", false, "run hale's pool alone, and print one JSON object and nothing else")
	fs.StringVar(&at, "page", "", "`address`, such as localhost:6060, at which to serve the live page of hale's pool")
	if err = fs.Parse(args, out, o.check); err == nil {
		o.page, err = livepage.Listen(at)
	}
	return o, err
}

func (o *options) check() error {
	err := program.AtLeast(
		program.Least{Flag: "freeze-after", Value: o.freezeAfter},
		program.Least{Flag: "thaw-after", Value: o.thawAfter},
		program.Least{Flag: "run-on", Value: o.runOn})
	if err != nil {
		return err
	}
	_, err = sockopt.Current().Plan(sockopt.Within(o.within))
	return err
}
