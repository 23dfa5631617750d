package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A judge finds out what of a package fails with hale alone.
type judge struct {
	rig         *rig
	p           testPackage
	timeout     time.Duration
	plain, hale binary

	base, over record // without hale, and with it
}

// A finding is a test that does.
type finding struct {
	test  string
	alone string // how often it failed when it was run again
	said  string
	known *known // why it is expected to; or nil
	crash int    // the process that it is held to have ended, if it did not fail alone
}

// These bound a test that is run alone, and one of which it is known that it
// does not come to an end.
const (
	aloneTimeout = 15 * time.Second
	crashTimeout = 5 * time.Second
)

// judge runs everything.
func (j judge) judge(ctx context.Context) (a account, err error) {
	a.pkg = j.p.path
	if j.base, err = j.all(ctx, j.plain, nil); err != nil {
		return a, err
	}
	leaveOut := j.knownCrashes()
	if j.over, err = j.all(ctx, j.hale, leaveOut); err != nil {
		return a, err
	}
	for _, name := range leaveOut {
		if err := j.crashAlone(ctx, &a, name); err != nil {
			return a, err
		}
	}
	a.count(j)
	for _, name := range j.inDoubt() {
		if err := j.doubt(ctx, &a, name); err != nil {
			return a, err
		}
	}
	a.findings = slices.DeleteFunc(a.findings, j.isBystander(a.findings))
	a.slower, a.stale = j.slower(), j.stale()
	return a, nil
}

// knownCrashes are the tests that are to be run alone.
func (j judge) knownCrashes() (names []string) {
	for _, k := range j.rig.known {
		if k.pkg == j.p.path && k.how == crashes {
			names = append(names, k.test)
		}
	}
	return names
}

// crashAlone runs one of them.
func (j judge) crashAlone(ctx context.Context, a *account, name string) error {
	r, err := j.p.exec(ctx, j.hale, alone(name), crashTimeout)
	if err != nil {
		return err
	}
	j.over.tests[name] = passed
	if r.tests[name] != passed {
		j.over.tests[name] = failed
		a.findings = append(a.findings, finding{test: name, known: find(j.rig.known, j.p.path, name)})
	}
	return nil
}

// inDoubt are the tests that failed with hale, and those that were lost.
func (j judge) inDoubt() (names []string) {
	names = j.over.failures()
	for name, o := range j.base.tests {
		// Parts of tests may have other names each time.
		if o == passed && !strings.Contains(name, "/") && j.over.tests[name] != passed && j.over.tests[name] != failed {
			names = append(names, name)
		}
	}
	crashAlone := j.knownCrashes()
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(crashAlone, name) })
	slices.Sort(names)
	return names
}

// doubt finds out about a test in doubt: it is run again, alone, with hale and
// without.
func (j judge) doubt(ctx context.Context, a *account, name string) error {
	f := finding{test: name, said: j.over.said[name], known: find(j.rig.known, j.p.path, name)}
	if f.known != nil {
		a.findings = append(a.findings, f)
		return nil
	}
	times := j.rig.again
	if name == whole {
		times = 1
	}
	n, said, err := j.again(ctx, j.hale, name, times)
	if err != nil {
		return err
	}
	f.alone, f.said = fmt.Sprintf("%d of %d", n, times), cmp.Or(said, f.said)
	without := 0
	if n > 0 {
		if without, _, err = j.again(ctx, j.plain, name, times); err != nil {
			return err
		}
	} else {
		f.crash = j.over.crashed[name]
	}
	switch {
	case without > 0 && j.base.tests[name] == failed:
		a.failedBoth = append(a.failedBoth, name)
	case without > 0 || n == 0 && f.crash == 0:
		a.told = append(a.told, fmt.Sprintf("%s failed; alone it failed %d times with hale, and %d times without, of %d", name, n, without, times))
	default:
		a.findings = append(a.findings, f)
	}
	return nil
}

// isBystander finds the tests that were running when a process ended of which
// another is the cause.
func (j judge) isBystander(all []finding) func(finding) bool {
	causes := map[int]bool{}
	for _, f := range all {
		if f.crash == 0 {
			causes[j.over.crashed[f.test]] = true
		}
	}
	return func(f finding) bool { return f.crash > 0 && causes[f.crash] }
}

// again runs a test alone, and says how often it failed and what it said then.
func (j judge) again(ctx context.Context, b binary, name string, times int) (n int, said string, err error) {
	s, timeout := alone(name), aloneTimeout
	if name == whole {
		s, timeout = selection{skip: j.without(j.knownCrashes())}, j.timeout
	}
	for range times {
		r, err := j.p.exec(ctx, b, s, timeout)
		if err != nil {
			return n, said, err
		}
		if o := r.tests[name]; o != passed && o != skipped || name == whole && r.crashed {
			n++
			said = r.said[name] + r.said[whole]
		}
	}
	return n, said, nil
}

// slower are the tests that passed and took much longer with hale.
func (j judge) slower() (some []string) {
	for name, o := range j.over.tests {
		before, with := j.base.seconds[name], j.over.seconds[name]
		if name != whole && o == passed && j.base.tests[name] == passed && with > 1+2*before {
			some = append(some, name)
		}
	}
	some = leaves(some)
	for i, name := range some {
		some[i] = fmt.Sprintf("%s: %.1f s, and %.1f s with hale", name, j.base.seconds[name], j.over.seconds[name])
	}
	return some
}

// stale are the known findings that did not show.
func (j judge) stale() (some []string) {
	for _, k := range j.rig.known {
		if k.pkg != j.p.path {
			continue
		}
		if _, ok := j.base.tests[k.test]; !ok {
			some = append(some, k.test+": there is no such test")
		} else if k.how != sometimes && j.over.tests[k.test] == passed {
			some = append(some, k.test+" passes")
		}
	}
	return some
}

// count counts what was run, and hale's connections.
func (a *account) count(j judge) {
	for name, o := range j.over.tests {
		switch {
		case name == whole:
			continue
		case o == passed:
			a.passed++
		case o == skipped:
			a.skipped++
		}
		a.tests++
	}
	text, _ := os.ReadFile(j.hale.count) // there is none if there was no connection
	a.dialled, a.accepted = strings.Count(string(text), "d"), strings.Count(string(text), "a")
	a.bubbles = strings.Count(string(text), "b")
	a.base, a.over = j.base.took, j.over.took
}
