package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// tolerance is what a stall may take beyond the detection: the dials.
const tolerance = time.Second

// A report is what run prints.
type report struct {
	options
	hale  outcome
	plain *outcome // nil if it was left out
}

// run puts the pools through it, both at once, and prints.
func run(ctx context.Context, o options, out io.Writer) error {
	r := report{options: o}
	show := r.printTable
	if o.json {
		show = r.printJSON
	} else {
		r.plain = new(outcome)
	}
	if err := r.measure(ctx, out); err != nil {
		return err
	}
	if err := show(out); err != nil {
		return err
	}
	return r.verdict()
}

// measure runs the trials; the first failure ends both.
func (r *report) measure(parent context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if r.json {
		out = io.Discard
	}
	var trials sync.WaitGroup
	defer trials.Wait()
	trials.Go(func() {
		t := trial{options: r.options, witness: newWitness(out)}
		var err error
		if r.hale, err = t.run(ctx, newHalePool, false); err != nil {
			cancel(err)
		}
	})
	if r.plain != nil {
		trials.Go(func() {
			t := trial{options: r.options, witness: newWitness(io.Discard)}
			var err error
			if *r.plain, err = t.run(ctx, newPlainPool, true); err != nil {
				cancel(err)
			}
		})
	}
	trials.Wait()
	if parent.Err() != nil {
		return errInterrupted
	}
	return context.Cause(ctx)
}

// verdict says what hale's pool did not do as it should.
func (r *report) verdict() error {
	var errs []error
	for _, n := range []struct {
		count int
		what  string
	}{
		{r.hale.duplicated, "requests were sent twice"},
		{r.hale.Crossed, "replies were another request's"},
		{r.hale.DeadHandedOut, "connections were handed out dead"},
	} {
		if n.count > 0 {
			errs = append(errs, fmt.Errorf("%d %s", n.count, n.what))
		}
	}
	if longest := r.within + tolerance; r.hale.LongestStall > longest {
		errs = append(errs, fmt.Errorf("a stall of %.2f s, predicted is at most %v", r.hale.LongestStall.Seconds(), longest))
	}
	return errors.Join(errs...)
}
