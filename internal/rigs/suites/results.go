package main

import (
	"bufio"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// An outcome is how a test ended.
type outcome string

const (
	unfinished outcome = "" // it was running when the process ended
	passed     outcome = "pass"
	failed     outcome = "fail"
	skipped    outcome = "skip"
)

// whole is the name of what is no test: the process itself, which fails where a
// TestMain finds something that the tests have left.
const whole = "(package)"

// results are those of one process.
type results struct {
	tests   map[string]outcome
	said    map[string]string // by tests
	took    map[string]float64
	paused  map[string]bool // until other tests have ended (t.Parallel)
	blamed  string          // the test in which a panic ended the process
	panic   string          // all that was said from a panic on
	crashed bool            // it ended while tests were running
}

// event is one of go tool test2json.
type event struct {
	Action, Test, Output string
	Elapsed              float64 // seconds
}

// read reads the events of a process that has ended.
func read(said []byte, success bool) results {
	r := results{tests: map[string]outcome{}, said: map[string]string{}, took: map[string]float64{}, paused: map[string]bool{}}
	var lastFailed string
	all := bufio.NewScanner(strings.NewReader(string(said)))
	all.Buffer(nil, 1<<26)
	for all.Scan() {
		var e event
		if json.Unmarshal(all.Bytes(), &e) != nil {
			continue
		}
		name := e.Test
		if name == "" {
			name = whole
		}
		switch e.Action {
		case "run":
			r.set(name, unfinished)
		case "pause", "cont":
			r.paused[name] = e.Action == "pause"
		case "pass", "fail", "skip":
			r.set(name, outcome(e.Action))
			r.took[name] = e.Elapsed
			if e.Action == "fail" && !within(name)(lastFailed) {
				lastFailed = name
			}
		case "output":
			r.said[name] += e.Output
			r.panicked(e.Output, lastFailed)
		}
	}
	r.judgeWhole(success)
	return r
}

// set notes an outcome. A package and its external tests may have a test of the
// same name each; one of them that failed is not forgotten for the other.
func (r *results) set(name string, o outcome) {
	if r.tests[name] != failed {
		r.tests[name] = o
	}
}

// panicked looks for a panic in what was said.
func (r *results) panicked(said, lastFailed string) {
	begins := strings.HasPrefix(said, "panic: ") || strings.HasPrefix(said, "fatal error: ")
	if begins && strings.Contains(said, "[recovered") {
		r.blamed = lastFailed // package testing has put the panic off to say so
	}
	if begins || r.panic != "" {
		r.panic += said
	}
}

// judgeWhole finds out whether the process failed by itself, rather than by its
// tests.
func (r *results) judgeWhole(success bool) {
	r.tests[whole] = passed
	if success {
		return
	}
	r.crashed = r.panic != ""
	byTest := false
	for name, o := range r.tests {
		r.crashed = r.crashed || o == unfinished
		byTest = byTest || name != whole && o != passed && o != skipped
	}
	if !byTest {
		r.tests[whole] = failed
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
