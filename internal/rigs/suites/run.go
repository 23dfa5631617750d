package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"
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

// A selection is what of a package is run; "" is all, and nothing.
type selection struct{ run, skip string }

// test is one test alone.
func alone(test string) selection { return selection{run: exactly(test)} }

// exactly is the pattern of one test.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + quote(part) + "$"
	}
	return strings.Join(parts, "/")
}

// quote is regexp.QuoteMeta, but for the brackets in which the testing package
// looks for slashes and bars without regard to the backslash.
func quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`[](){}`, r):
			b.WriteByte('.')
		case strings.ContainsRune(`\.+*?|^$`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// event is one of go tool test2json.
type event struct {
	Action, Test, Output string
	Elapsed              float64 // seconds
}

// exec runs the test binary as go test does.
func (p testPackage) exec(ctx context.Context, b binary, s selection, timeout time.Duration) (results, error) {
	// The binary ends itself, and says what was running. If it cannot:
	ctx, cancel := context.WithTimeout(ctx, timeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, "-test.v=test2json", "-test.paniconexit0", "-test.timeout="+timeout.String(),
		"-test.run="+s.run, "-test.skip="+s.skip)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	if b.count != "" {
		cmd.Env = append(cmd.Env, "HALE_SUITES_COUNT="+b.count)
	}
	cmd.WaitDelay = 5 * time.Second // for what a test has left running
	said, err := asJSON(ctx, cmd)
	if err != nil {
		return results{}, err
	}
	return read(said, cmd.ProcessState.Success()), nil
}

// asJSON runs a test binary and returns its output as events.
func asJSON(ctx context.Context, cmd *exec.Cmd) (said []byte, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	converter := exec.CommandContext(ctx, "go", "tool", "test2json")
	converter.Stdin = r
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.Close()
	said, err = output(converter)
	if werr := cmd.Wait(); cmd.ProcessState == nil {
		err = errors.Join(err, werr)
	}
	return said, err
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
			r.tests[name] = unfinished
		case "pause", "cont":
			r.paused[name] = e.Action == "pause"
		case "pass", "fail", "skip":
			r.tests[name], r.took[name] = outcome(e.Action), e.Elapsed
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
