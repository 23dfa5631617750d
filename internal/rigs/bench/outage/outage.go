// Package outage measures what callers go through while a server is frozen under
// load and thaws again, and how often it is dialled meanwhile.
package outage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// pause is what a caller does between two requests.
const pause = 20 * time.Millisecond

// A request is when one was made, and how it ended.
type request struct {
	from, to time.Time
	err      error
}

// A trial is a contestant under load.
type trial struct {
	contestant
	server *fake.Server
	line   line
	make   func(ctx context.Context) error
	end    func()

	mu       sync.Mutex // guards what follows
	requests []request
	stopped  bool
	since    [conns]time.Time // when each caller's request under way began
	served   [conns]time.Time // when each caller's last success was
	before   int              // dials until the freeze
	during   int              // dials until the thaw
}

func begin(c contestant) (*trial, error) {
	t := &trial{contestant: c}
	var err error
	if t.server, err = c.serve(); err != nil {
		return nil, err
	}
	if t.make, t.end, err = c.open(t.server.Addr, &t.line); err != nil {
		t.server.Close()
		return nil, err
	}
	return t, nil
}

// call makes requests until the trial is stopped.
func (t *trial) call(ctx context.Context, caller int) {
	for {
		r := request{from: time.Now()}
		t.mu.Lock()
		stopped := t.stopped
		t.since[caller] = r.from
		t.mu.Unlock()
		if stopped {
			return
		}
		r.err = t.once(ctx)
		r.to = time.Now()
		t.mu.Lock()
		if !t.stopped {
			t.requests = append(t.requests, r)
			t.since[caller] = time.Time{}
			if r.err == nil {
				t.served[caller] = r.to
			}
		}
		t.mu.Unlock()
		time.Sleep(pause)
	}
}

func (t *trial) once(ctx context.Context) error {
	if t.limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return t.make(ctx)
}

// allServed reports whether every caller has had an answer since a time.
func (t *trial) allServed(since time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(t.served[:], func(at time.Time) bool { return at.Before(since) })
}

// times are those of a run.
type times struct{ begin, freeze, thaw, end time.Time }

// result is what a trial has shown.
type result struct {
	stall      time.Duration // of the request that took longest
	told       float64       // nanoseconds from the freeze to the first error; NaN if there was none
	errs       int
	first, all float64 // nanoseconds from the thaw to the first answer, and to an answer for each caller
	dials      float64 // a second, while frozen
	endless    int     // requests that had no end
}

func (t *trial) result(at times) result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := result{told: nan, first: nan, all: nan}
	for _, q := range t.requests {
		if q.to.Before(at.freeze) {
			continue
		}
		r.stall = max(r.stall, q.to.Sub(q.from))
		switch {
		case q.err != nil:
			r.errs++
			if told := float64(q.to.Sub(at.freeze)); !(r.told < told) {
				r.told = told
			}
		case q.to.After(at.thaw):
			if first := float64(q.to.Sub(at.thaw)); !(r.first < first) {
				r.first = first
			}
		}
	}
	for _, since := range t.since {
		if !since.IsZero() && since.Before(at.thaw) {
			r.endless++
			r.stall = max(r.stall, at.end.Sub(since))
		}
	}
	r.all = t.lastServed(at)
	r.dials = float64(t.during-t.before) / at.thaw.Sub(at.freeze).Seconds()
	return r
}

// lastServed is when the last caller had its first answer after the thaw; the
// caller holds mu.
func (t *trial) lastServed(at times) float64 {
	last := 0.0
	for _, served := range t.served {
		if served.Before(at.thaw) {
			return nan
		}
	}
	count := 0
	for _, q := range t.requests { // in the order of their ends
		if q.err == nil && q.from.Before(at.thaw) && q.to.After(at.thaw) {
			last = max(last, float64(q.to.Sub(at.thaw)))
			count++
		}
	}
	if count == conns {
		return last
	}
	// Some had errors first: of those, the first answers come with the requests after.
	firsts := 0
	for _, q := range t.requests {
		if q.err == nil && q.to.After(at.thaw) {
			firsts++
			last = max(last, float64(q.to.Sub(at.thaw)))
			if firsts == conns {
				break
			}
		}
	}
	return last
}

// run has all contestants under load at the same time, each with a server of its
// own, and freezes these for a while.
func run(ctx context.Context, all []contestant, calm, frozen, patience time.Duration) (trials []*trial, at times, err error) {
	defer func() {
		for _, t := range trials {
			t.server.Close()
		}
	}()
	for _, c := range all {
		t, err := begin(c)
		if err != nil {
			return trials, at, fmt.Errorf("%s: %w", c.name, err)
		}
		trials = append(trials, t)
	}
	calls, cancel := context.WithCancel(ctx)
	var callers sync.WaitGroup
	for _, t := range trials {
		for i := range conns {
			callers.Go(func() { t.call(calls, i) })
		}
	}
	at.begin = time.Now()
	err = sleep(ctx, calm)
	if err == nil {
		at, err = outage(ctx, trials, at, frozen, patience)
	}
	for _, t := range trials {
		t.mu.Lock()
		t.stopped = true
		t.mu.Unlock()
	}
	cancel()
	for _, t := range trials {
		t.server.Close() // ends what waits for an answer
	}
	callers.Wait()
	for _, t := range trials {
		t.end()
	}
	return trials, at, err
}

func outage(ctx context.Context, trials []*trial, at times, frozen, patience time.Duration) (times, error) {
	var thaws []func() error
	thaw := func() (errs error) {
		for _, t := range thaws {
			errs = errors.Join(errs, t())
		}
		return errs
	}
	at.freeze = time.Now()
	for _, t := range trials {
		t.before = t.line.dialled()
		for _, end := range []func() (func() error, error){t.line.cut, t.server.Freeze} {
			mend, err := end()
			if err != nil {
				return at, errors.Join(err, thaw())
			}
			thaws = append(thaws, mend)
		}
	}
	err := sleep(ctx, frozen)
	at.thaw = time.Now()
	err = errors.Join(err, thaw())
	for _, t := range trials {
		t.during = t.line.dialled()
	}
	waiting := func() bool {
		return slices.ContainsFunc(trials, func(t *trial) bool { return !t.allServed(at.thaw) })
	}
	for err == nil && waiting() && time.Since(at.thaw) < patience {
		err = sleep(ctx, 50*time.Millisecond)
	}
	err = errors.Join(err, sleep(ctx, frozen/10)) // that the plot shows all of them served
	at.end = time.Now()
	return at, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	frozen := figure.Pick(e, 500*time.Millisecond, 20*time.Second, 60*time.Second)
	patience := figure.Pick(e, 10*time.Second, 30*time.Second, 150*time.Second)
	s := page.Section{
		Title: "Outage",
		About: fmt.Sprintf(`A server falls silent as a machine that is unplugged, under the load of %d callers who make a request
every %s, and comes back after %s. All contestants are there at the same time, each with a server of its
own in this process. A request is a byte that comes back, or the ping of the protocol. Those with their
defaults set no time for a request; the others have what their documentation says is best, named in the
table. A stall is the longest that one request took; "told" is from the freeze to the first error; "first" and "all"
are from the thaw to the first answer, and until as many were answered as there are callers; dials are while frozen.`,
			conns, figure.Seconds(pause), figure.Seconds(frozen)),
	}
	trials, at, err := run(ctx, contestants, figure.Pick(e, 200*time.Millisecond, time.Second, 3*time.Second), frozen, patience)
	if err != nil {
		return s, err
	}
	s.Tables = append(s.Tables, table(trials, at))
	s.Plots = append(s.Plots, plot(trials, at))
	return s, nil
}
