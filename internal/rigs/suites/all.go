package main

import (
	"context"
	"maps"
	"regexp"
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
func (j judge) all(ctx context.Context, b binary, leaveOut []string, timeout time.Duration) (record, error) {
	rec := record{tests: map[string]outcome{}, said: map[string]string{}, seconds: map[string]float64{}, crashed: map[string]int{}}
	began := time.Now()
	for n := range mostCrashes {
		r, err := j.p.exec(ctx, b, selection{skip: j.without(leaveOut)}, timeout)
		if err != nil {
			return rec, err
		}
		culprits := r.culprits()
		rec.add(r, culprits, n+1)
		if !r.crashed {
			break
		}
		leaveOut = slices.Concat(leaveOut, culprits, r.finished())
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

var (
	function = regexp.MustCompile(`\.((?:Test|Example|Fuzz)\w*)[.( ]`)
	running  = regexp.MustCompile(`(?m)^\t+((?:Test|Example|Fuzz)\S*) \([0-9hms.]+\)$`)
)

// culprits are the tests to which the end of the process is put down: the one
// that panicked, or those that were running when the time was over, or, if it
// cannot be told, all that were running.
func (r results) culprits() (names []string) {
	if !r.crashed {
		return nil
	}
	if r.blamed != "" {
		return []string{r.blamed}
	}
	_, list, timedOut := strings.Cut(r.panic, "panic: test timed out")
	if timedOut {
		for _, m := range running.FindAllStringSubmatch(list, -1) {
			names = append(names, m[1])
		}
	} else if name := r.inStack(); name != "" {
		return []string{name}
	}
	if names == nil {
		for name, o := range r.tests {
			if o == unfinished {
				names = append(names, name)
			}
		}
	}
	return slices.DeleteFunc(leaves(names), func(name string) bool { return r.paused[name] })
}

// inStack is the test that has started the goroutine which panicked, or "".
func (r results) inStack() string {
	_, stack, _ := strings.Cut(r.panic, "[running]")
	stack, _, _ = strings.Cut(stack, "\n\n")
	for _, m := range function.FindAllStringSubmatch(stack, -1) {
		if _, ok := r.tests[m[1]]; ok {
			return m[1]
		}
	}
	return ""
}

// finished are the tests, without their parts, that have ended.
func (r results) finished() (names []string) {
	for name, o := range r.tests {
		if o != unfinished && name != whole && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	culprits := r.culprits()
	return slices.DeleteFunc(names, func(name string) bool { return slices.ContainsFunc(culprits, within(name)) })
}

func within(parent string) func(string) bool {
	return func(name string) bool { return strings.HasPrefix(name, parent+"/") }
}

// leaves are the tests of which no part is among them.
func leaves(names []string) (some []string) {
	for _, name := range names {
		if !slices.ContainsFunc(names, within(name)) {
			some = append(some, name)
		}
	}
	slices.Sort(some)
	return some
}

// failures are the tests that failed, and not for a part of them.
func (rec record) failures() (names []string) {
	for name := range maps.Keys(rec.tests) {
		if rec.tests[name] == failed {
			names = append(names, name)
		}
	}
	return leaves(names)
}
