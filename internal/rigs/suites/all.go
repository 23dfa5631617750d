package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

// mostCrashes is after how many crashes what is left of a package is given up.
const mostCrashes = 40

// A record is what became of all tests of a package.
type record struct {
	tests   map[string]outcome
	said    map[string]string
	seconds map[string]float64
	crashed map[string]int // these ended a process, or hung; by the number of that process
	took    time.Duration
}

// all runs the tests of a package but those to be left out. If a test ends the
// process, the rest is run without it.
func (j judge) all(ctx context.Context, b binary, leaveOut []string) (record, error) {
	leaveOut = slices.Clone(leaveOut)
	rec := record{tests: map[string]outcome{}, said: map[string]string{}, seconds: map[string]float64{}, crashed: map[string]int{}}
	began := time.Now()
	for n := range mostCrashes {
		r, err := j.p.exec(ctx, b, selection{skip: j.without(leaveOut)}, j.timeout)
		if err != nil {
			return rec, err
		}
		culprits := r.culprits()
		rec.add(r, culprits, n+1)
		done := slices.Concat(culprits, r.finished())
		if !r.crashed || len(done) == 0 {
			break
		}
		leaveOut = append(leaveOut, done...)
	}
	rec.took = time.Since(began)
	return rec, nil
}

// without is the pattern of what is left out.
func (j judge) without(tests []string) string {
	var patterns []string
	if j.rig.skip != "" {
		patterns = append(patterns, j.rig.skip)
	}
	for _, test := range tests {
		patterns = append(patterns, exactly(test))
	}
	return strings.Join(patterns, "|")
}

// add adds what one process has shown.
func (rec *record) add(r results, culprits []string, process int) {
	for name, o := range r.tests {
		if o != unfinished && rec.tests[name] != failed {
			rec.tests[name] = o
			rec.said[name], rec.seconds[name] = r.said[name], r.took[name]
		}
	}
	for _, name := range culprits {
		rec.tests[name] = failed
		rec.crashed[name] = process
		rec.said[name] = r.said[name]
		if !strings.Contains(rec.said[name], r.panic) {
			rec.said[name] += r.panic
		}
	}
}

// failures are the tests that failed, and not for a part of them.
func (rec record) failures() (names []string) {
	for name, o := range rec.tests {
		if o == failed {
			names = append(names, name)
		}
	}
	return leaves(names)
}
