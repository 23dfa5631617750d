package main

import (
	"io"

	"example.com/hale/internal/lab/outage"
	"example.com/hale/internal/lab/program"
)

type options struct {
	outage.Times
	json bool
}

var exits = program.Exits{
	program.Held:   "the outage was recorded and shown",
	program.Missed: "it was not",
	program.Cannot: "this machine cannot freeze a server",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("tracing", exits)
	o.Times.Flags(fs)
	fs.BoolVar(&o.json, "json", false, "print all spans as JSON objects, one to a line, and nothing else")
	err = fs.Parse(args, out, o.Times.Check)
	return o, err
}
