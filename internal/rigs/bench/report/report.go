// Package report is the program that measures hale beside its rivals and writes
// docs/BENCHMARKS.md.
package report

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/rigs/bench"
	"example.com/hale/internal/rigs/bench/dialling"
	"example.com/hale/internal/rigs/bench/endpoints"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/herd"
	"example.com/hale/internal/rigs/bench/idle"
	"example.com/hale/internal/rigs/bench/notice"
	"example.com/hale/internal/rigs/bench/outage"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/internal/rigs/bench/syscalls"
	"example.com/hale/internal/rigs/bench/telemetry"
	"example.com/hale/internal/rigs/bench/wrapper"
)

// A chapter measures one section; name chooses it.
type chapter struct {
	name    string
	measure func(ctx context.Context, e figure.Effort) (page.Section, error)
}

// chapters are in the order of the page.
func chapters(rivals []bench.Rival) []chapter {
	return []chapter{
		{"checkout", func(_ context.Context, e figure.Effort) (page.Section, error) { return bench.Section(e, rivals) }},
		{"wrapper", wrapper.Section},
		{"dial", dialling.Section},
		{"notice", notice.Section},
		{"idle", idle.Section},
		{"outage", outage.Section},
		{"herd", herd.Section},
		{"endpoints", endpoints.Section},
		{"telemetry", telemetry.Section},
	}
}

// Main is the program; rivals are those of the checkout.
func Main(rivals []bench.Rival) {
	parts := wrapper.Parts()
	maps.Copy(parts, dialling.Parts())
	syscalls.Be(parts)
	fake.Be()
	idle.Be()
	herd.Be()
	program.Main("bench", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		if err := program.Isolate(); err != nil {
			return err
		}
		return o.run(ctx, chapters(rivals))
	})
}

type options struct {
	effort figure.Effort
	folder string
	only   []string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	long := flags.Bool("long", false, "measure for half an hour: more rounds, 50,000 connections")
	brief := flags.Bool("brief", false, "do everything once, for a few seconds, to see that it works; the figures mean nothing")
	flags.StringVar(&o.folder, "o", "", "the folder to write BENCHMARKS.md and its pictures to; without it the page goes to standard output")
	only := flags.String("only", "", "the sections to measure, with commas between them")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.effort = figure.Normal
	switch {
	case *long && *brief:
		return o, errors.New("-long and -brief contradict each other")
	case *long:
		o.effort = figure.Long
	case *brief:
		o.effort = figure.Brief
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	return o, nil
}

// run measures, and writes the page also if some of it failed.
func (o options) run(ctx context.Context, all []chapter) error {
	for _, name := range o.only {
		if !slices.ContainsFunc(all, func(c chapter) bool { return c.name == name }) {
			return fmt.Errorf("-only %s: there is no such section", name)
		}
	}
	d := document{effort: o.effort, command: command(o), machine: machineNow(), start: time.Now()}
	var errs []error
	for _, c := range all {
		if len(o.only) > 0 && !slices.Contains(o.only, c.name) {
			continue
		}
		start := time.Now()
		section, err := c.measure(ctx, o.effort)
		if ctx.Err() != nil {
			return program.ErrInterrupted
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
			section.Tables = append(section.Tables, page.Table{Reading: []string{"**Not measured**: " + err.Error() + "."}})
		}
		for _, b := range section.Broken {
			errs = append(errs, fmt.Errorf("%s: %s", c.name, b))
		}
		d.sections = append(d.sections, section)
		fmt.Fprintf(os.Stderr, "bench: %s took %v\n", c.name, time.Since(start).Round(time.Millisecond))
	}
	return errors.Join(append(errs, o.write(d))...)
}

// command is what gives the same again.
func command(o options) string {
	c := "make bench"
	if o.effort == figure.Long {
		c = "make bench BENCH=-long"
	}
	if o.effort == figure.Brief {
		c += " BENCH=-brief"
	}
	return c
}

func (o options) write(d document) error {
	var b bytes.Buffer
	d.write(&b)
	if o.folder == "" {
		_, err := os.Stdout.Write(b.Bytes())
		return err
	}
	errs := []error{os.WriteFile(filepath.Join(o.folder, "BENCHMARKS.md"), b.Bytes(), 0o644)}
	for _, s := range d.sections {
		for _, p := range s.Plots {
			errs = append(errs, os.WriteFile(filepath.Join(o.folder, p.File), []byte(p.SVG()), 0o644))
		}
	}
	return errors.Join(errs...)
}
