// Failover freezes the server that a busy pool of hale's connections works
// with, and shows what the callers see of it: how long they wait, which
// requests are lost, and that none is sent twice or gets the reply of another.
// A pool of plain connections (puddle and net.Dialer, both with their
// defaults) goes through the same beside it.
//
//	go run ./examples/failover
//	go run ./examples/failover -within 5s
//	go run ./examples/failover -thaw-after 1s
//	go run ./examples/failover -json
//	go run ./examples/failover -thaw-after 1m -page localhost:6060
//
// Two servers stand behind one name, as in a name service that notices when
// one does not answer: the name leads to A until a dial to A has failed (after
// half a second), and from then on to B. The pools look it up anew for every
// dial. Eight workers send numbered requests over a pool of 16 connections,
// all of them to A, when A is frozen in the middle of it.
//
// A request that is under way then fails, and its worker goes on with the
// next: nobody can know whether A has run it, so it is not sent again. A
// stall, for the exit status, is the longest time that any one worker had no
// good reply.
//
// With -page a browser, or curl, sees hale's pool go through it, live.
//
// It needs Linux, and root or the right to make a user namespace.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/hale/internal/lab/failover"
	"example.com/hale/internal/lab/program"
)

func main() { program.MainIsolated("failover", parse, run) }

// run puts both pools through it, at once, and prints what hale's pool goes
// through when it happens, and a table of both at the end. With -json hale's
// pool is alone.
func run(ctx context.Context, o options, out io.Writer) error {
	r := report{options: o}
	haleTrial := func(story io.Writer) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			r.hale, err = o.trial(story).Run(ctx, o.newHalePool)
			return err
		}
	}
	plainTrial := func(ctx context.Context) (err error) {
		t := o.trial(io.Discard)
		t.NoThaw = true // its requests would be answered then
		r.plain, err = t.Run(ctx, newPlainPool)
		return err
	}
	if o.json {
		if err := program.Together(ctx, haleTrial(io.Discard)); err != nil {
			return err
		}
		return errors.Join(r.printJSON(out), r.verdict())
	}
	if err := program.Together(ctx, haleTrial(out), plainTrial); err != nil {
		return err
	}
	return errors.Join(r.printTable(out), r.verdict())
}

func (o options) trial(story io.Writer) *failover.Trial {
	return &failover.Trial{
		FreezeAfter: o.freezeAfter, ThawAfter: o.thawAfter, RunOn: o.runOn,
		Observer: failover.NewObserver(story),
	}
}

// A report is what run prints.
type report struct {
	options
	hale, plain failover.Outcome
}

// tolerance is what a stall may take beyond the detection: the dials.
const tolerance = time.Second

// verdict says what hale's pool did not do as it should.
func (r report) verdict() error {
	var errs []error
	for _, n := range []struct {
		count int
		what  string
	}{
		{r.hale.Duplicated, "requests were sent twice"},
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
