package main

import (
	"fmt"
	"io"
	"time"

	"example.com/hale/internal/lab/comparison"
	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	comparison.Options
	json bool
}

const columns = `
columns, each for the library's own dialer and for hale's:
  busy   the longest that a request took, of workers that send them all the time
  idle   the same for a client that kept still and sends its first request a
         second after the promise
  users  what they saw: the causes of death that errors named, "timeout",
         "hung" (no answer until the end), other errors' last words, or "none"
`

var exits = program.Exits{
	program.Held:   "the table was printed",
	program.Missed: "it could not be made",
	program.Cannot: "this machine cannot freeze a server",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("compare", exits)
	fs.Intro = columns
	fs.DurationVar(&o.Promise, "promise", 5*time.Second, "`time` within which hale's connections notice, as sockopt.Within has it")
	fs.DurationVar(&o.Away, "away", 3*time.Second, "`time` from the vanishing of a server until its address can be dialled again")
	fs.DurationVar(&o.Limit, "limit", 30*time.Second, "`time` from there to the end, more than -away and than -promise and a second")
	fs.IntVar(&o.Workers, "workers", 3, "`number` of workers that send requests at a time, for each busy client")
	fs.BoolVar(&o.json, "json", false, "print one JSON object and nothing else")
	err = fs.Parse(args, out, o.check)
	return o, err
}

func (o *options) check() error {
	if _, err := sockopt.Current().Plan(sockopt.Within(o.Promise)); err != nil {
		return err
	}
	switch {
	case o.Away <= 0:
		return fmt.Errorf("-away %v: has to be positive", o.Away)
	case o.Workers < 1:
		return fmt.Errorf("-workers %d: below 1", o.Workers)
	case o.Limit <= o.Away:
		return fmt.Errorf("-limit %v: has to be above -away, %v", o.Limit, o.Away)
	case o.Limit <= o.Trial().Idle:
		return fmt.Errorf("-limit %v: has to be above %v, a second after -promise", o.Limit, o.Trial().Idle)
	}
	return nil
}
