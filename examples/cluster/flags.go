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
	within time.Duration
	step   time.Duration
	page   net.Listener // at which to serve the live page, or nil
}

var exits = program.Exits{
	program.Held: "nothing sent twice, no crossed reply, no dead connection handed out, no request\n" +
		"failed but those under way to the frozen server, none sent to the drained one,\n" +
		"a good share to the new one, and no stall longer than promised plus one second",
	program.Missed: "one of these is not so, or the run failed",
	program.Cannot: "this machine cannot freeze a server",
}

func parse(args []string, out io.Writer) (o options, err error) {
	var at string
	fs := program.NewFlags("cluster", exits)
	fs.DurationVar(&o.within, "within", 3*time.Second, "`time` within which a connection notices that its server is gone, as sockopt.Within has it")
	fs.DurationVar(&o.step, "step", 2*time.Second, "`time` of load before each thing that happens, and at the end")
	fs.StringVar(&at, "page", "", "`address`, such as localhost:6060, at which to serve the cluster's live page")
	if err = fs.Parse(args, out, o.check); err == nil {
		o.page, err = livepage.Listen(at)
	}
	return o, err
}

func (o *options) check() error {
	if err := program.AtLeast(program.Least{Flag: "step", Value: o.step, Least: 100 * time.Millisecond}); err != nil {
		return err
	}
	_, err := sockopt.Current().Plan(sockopt.Within(o.within))
	return err
}
