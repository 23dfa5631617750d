package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// An account is what is told of one package.
type account struct {
	suite, pkg             string
	tests, passed, skipped int // with hale, parts of tests included
	failedBoth             []string
	dialled, accepted      int // connections of hale's
	bubbles                int // dialled in a bubble, by package net
	base, over             time.Duration
	findings               []finding
	told, slower, stale    []string
}

// isEmpty reports whether hale had no part in it.
func (a account) isEmpty() bool {
	return a.dialled+a.accepted+len(a.findings)+len(a.told)+len(a.stale) == 0
}

// print tells of a package as soon as it is done.
func (a account) print(out io.Writer, whole bool) {
	if a.isEmpty() {
		return
	}
	fmt.Fprintf(out, "%s: %d tests, %d pass, %d are skipped, %d fail without hale too\n", a.pkg, a.tests, a.passed, a.skipped, len(a.failedBoth))
	fmt.Fprintf(out, "  %d connections dialled by hale, %d accepted; %d dialled by net, in bubbles; %.1f s without hale, %.1f s with it\n",
		a.dialled, a.accepted, a.bubbles, a.base.Seconds(), a.over.Seconds())
	for _, name := range a.failedBoth {
		fmt.Fprintf(out, "  fails without hale too: %s\n", name)
	}
	for _, text := range a.told {
		fmt.Fprintf(out, "  flaky: %s\n", text)
	}
	for _, text := range a.slower {
		fmt.Fprintf(out, "  slower: %s\n", text)
	}
	for _, text := range a.stale {
		fmt.Fprintf(out, "  stale in known.tsv: %s\n", text)
	}
	var last *known
	for _, f := range a.findings {
		if f.known == nil {
			f.print(out, whole)
		} else if f.known != last {
			fmt.Fprintf(out, "  known: %s: %s\n", f.known.test, f.known.reason)
		}
		last = f.known
	}
}

// print tells of a finding that nobody expected.
func (f finding) print(out io.Writer, whole bool) {
	fmt.Fprintf(out, "  FAILS WITH HALE ALONE: %s (failed %s times when it was run by itself)\n", f.test, f.alone)
	said := f.said
	if !whole {
		said = shorten(said)
	}
	for line := range strings.Lines(said) {
		fmt.Fprintf(out, "    | %s", line)
	}
	fmt.Fprintln(out)
}

// shorten leaves the beginning and the end of what a test said.
func shorten(text string) string {
	const most = 3000
	if len(text) > most {
		return text[:most/2] + "\n...\n" + text[len(text)-most/2:]
	}
	return text
}

// summary prints a table of the suites. The error says that there are findings
// that nobody expected.
func (r *rig) summary() error {
	unknown := 0
	fmt.Fprintln(r.out)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "suite\tpackages\ttests\tpass\tskipped\tfail anyway\tonly with hale\tof these known\tdialled\taccepted")
	for _, s := range r.suites {
		packages, t, known := r.total(s.name)
		unknown += len(t.findings) - known
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.name, packages, t.tests, t.passed, t.skipped,
			len(t.failedBoth), len(t.findings), known, t.dialled, t.accepted)
	}
	err := w.Flush()
	if unknown > 0 {
		err = errors.Join(err, fmt.Errorf("%d tests fail with hale alone and are not in known.tsv", unknown))
	}
	return err
}

// total adds the packages of a suite in which hale had a part.
func (r *rig) total(suite string) (packages int, t account, known int) {
	for _, a := range r.done {
		if a.suite != suite || a.isEmpty() {
			continue
		}
		packages++
		t.tests, t.passed, t.skipped = t.tests+a.tests, t.passed+a.passed, t.skipped+a.skipped
		t.dialled, t.accepted = t.dialled+a.dialled, t.accepted+a.accepted
		t.failedBoth = slices.Concat(t.failedBoth, a.failedBoth)
		t.findings = slices.Concat(t.findings, a.findings)
	}
	for _, f := range t.findings {
		if f.known != nil {
			known++
		}
	}
	return packages, t, known
}
