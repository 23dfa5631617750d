package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"example.com/hale/internal/lab/outage"
	"example.com/hale/internal/lab/program"
)

type options struct {
	collector  string
	service    string
	prometheus string
	outage.Times
}

// exitCollector is an exit status of this program alone.
const exitCollector = 4

var exits = program.Exits{
	program.Held:   "the outage was recorded, and the collector has its trace",
	program.Missed: "it was not",
	program.Cannot: "this machine cannot freeze a server",
	exitCollector:  "the collector cannot be reached, or does not take what is sent",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("otlp", exits)
	fs.StringVar(&o.collector, "otlp", "127.0.0.1:4317", "`host:port` of a collector that takes OTLP by gRPC, without TLS")
	fs.StringVar(&o.service, "service", "hale-tracing", "`name` of the service in spans and metrics")
	fs.StringVar(&o.prometheus, "prometheus", "", "`host:port` to serve /metrics on as well, for Prometheus to scrape while the program runs")
	o.Times.Flags(fs)
	err = fs.Parse(args, out, o.check)
	return o, err
}

func (o *options) check() error {
	if o.service == "" {
		return errors.New(`-service "": empty`)
	}
	for _, f := range []struct {
		name, value string
		must        bool
	}{{"otlp", o.collector, true}, {"prometheus", o.prometheus, false}} {
		if f.value == "" && !f.must {
			continue
		}
		if _, _, err := net.SplitHostPort(f.value); err != nil {
			return fmt.Errorf("-%s %q: not host:port", f.name, f.value)
		}
	}
	return o.Times.Check()
}
