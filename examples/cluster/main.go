// Cluster has eight workers send numbered requests over a cluster of three servers, and
// shows what they see of it when one is frozen, one is drained, and one is added.
//
//	go run ./examples/cluster
//	go run ./examples/cluster -within 5s
//	go run ./examples/cluster -step 1s
//	go run ./examples/cluster -step 20s -page localhost:6060
//
// A, B and C stand for three machines; D comes later. A is frozen in the middle of the
// load, which costs the requests that are under way to it, and nothing else: as soon as
// it is known to be down nobody is sent there, and whoever dials it meanwhile goes on to
// another after a quarter of a second. Then B is taken out of what the resolver answers:
// its connections are used to the end of the request under way, and closed. D is added,
// and its share grows. No request is sent twice, and none but A's fails.
//
// It needs Linux, and root or the right to make a user namespace.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/hale/internal/lab/program"
)

func main() { program.MainIsolated("cluster", parse, run) }

// run prints what happens when it happens, and a table at the end.
func run(ctx context.Context, o options, out io.Writer) error {
	s := newScene(o, out)
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	s.showPage()
	r, err := s.play(ctx)
	if err != nil {
		return err
	}
	return errors.Join(r.print(out), r.verdict())
}

// tolerance is what a stall may take beyond the detection: dials, and a busy machine.
const tolerance = time.Second

// verdict says what was not as it is promised.
func (r report) verdict() error {
	var errs []error
	for _, n := range []struct {
		count, most int
		what        string
	}{
		{r.Duplicated, 0, "requests were sent twice"},
		{r.resent, 0, "requests were begun again, and may have been sent"},
		{r.Crossed, 0, "replies were another request's"},
		{r.DeadHandedOut, 0, "connections were handed out dead"},
		{r.Failed, len(pauses), "requests failed, more than were under way"},
		{r.lateFailures, 0, "requests failed although A was known to be down"},
		{r.afterDrain, 0, "requests went to B after it was drained"},
	} {
		if n.count > n.most {
			errs = append(errs, fmt.Errorf("%d %s", n.count, n.what))
		}
	}
	if longest := r.within + tolerance; r.LongestStall > longest {
		errs = append(errs, fmt.Errorf("a stall of %.2f s, promised is at most %v", r.LongestStall.Seconds(), longest))
	}
	if last := r.phases[len(r.phases)-1]; 4*last.by["D"] < last.total() {
		errs = append(errs, fmt.Errorf("the new server has %d of the last %d requests, less than a quarter", last.by["D"], last.total()))
	}
	return errors.Join(errs...)
}
