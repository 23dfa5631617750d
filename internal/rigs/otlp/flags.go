package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

type options struct {
	collector   string
	service     string
	prometheus  string
	freezeAfter time.Duration
	thawAfter   time.Duration
	runOn       time.Duration
}

const help = `usage: otlp [flags]

exit status:
  0    the outage was recorded, and the collector has its trace
  1    it was not
  2    bad usage
  3    this machine cannot freeze a server
  4    the collector cannot be reached, or does not take what is sent
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
	fs := flag.NewFlagSet("otlp", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.collector, "otlp", "127.0.0.1:4317", "`host:port` of a collector that takes OTLP by gRPC, without TLS")
	fs.StringVar(&o.service, "service", "hale-tracing", "`name` of the service in spans and metrics")
	fs.StringVar(&o.prometheus, "prometheus", "", "`host:port` to serve /metrics on as well, for Prometheus to scrape while the program runs")
	fs.DurationVar(&o.freezeAfter, "freeze-after", time.Second, "`time` of load on a full pool before the server is frozen")
	fs.DurationVar(&o.thawAfter, "thaw-after", 4500*time.Millisecond, "`time` from there until it is thawed, at least 2.5s: the connections have to die first")
	fs.DurationVar(&o.runOn, "run-on", 500*time.Millisecond, "`time` of load after the pool has healed")
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
