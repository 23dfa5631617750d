package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
)

// commandEnv makes the test binary the program itself: a run counts the
// goroutines and descriptors of its process, which it must not share.
const commandEnv = "HALE_SOAK_COMMAND"

func TestMain(m *testing.M) {
	if address := os.Getenv(serveEnv); address != "" {
		os.Exit(serve(address))
	}
	if d := os.Getenv(stopEnv); d != "" {
		os.Exit(stopParent(d))
	}
	if os.Getenv(commandEnv) != "" {
		program.MainIsolated("soak", parse, run)
	}
	testnet.Main(m)
}

// A command is a run of the program.
type command struct {
	*exec.Cmd
	stdout, stderr output
}

// output is what a program has written so far.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(t *testing.T, args ...string) *command {
	t.Helper()
	testnet.NeedFreeze(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &command{Cmd: exec.CommandContext(t.Context(), self, args...)}
	p.Env = append(os.Environ(), commandEnv+"=1")
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	p.WaitDelay = 10 * time.Second
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// status waits for the end and returns the exit status, -1 after a signal.
func (p *command) status() int {
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// waitFor waits until the program has printed text.
func (p *command) waitFor(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.stdout.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in\n%s%s", text, &p.stdout, &p.stderr)
		}
	}
}

// minuteSeed has every kind of fault in less than a minute.
const minuteSeed = 7640

func TestAMinuteOfEveryKindOfFault(t *testing.T) {
	t.Parallel()
	p := start(t, "-for", "40s", "-seed", strconv.Itoa(minuteSeed), "-json")
	status := p.status()
	var r result
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil {
		t.Fatalf("%v: %s%s", err, &p.stdout, &p.stderr)
	}
	if status != program.Held || !r.Held || len(r.Findings) > 0 {
		t.Errorf("status %d, held %v, %+v\n%s", status, r.Held, r.Findings, &p.stderr)
	}
	for _, k := range kinds {
		if r.Faults[k] == 0 {
			t.Errorf("no %s", k)
		}
	}
	if r.Requests < 5000 || r.Replied+r.Failed != r.Requests || r.Replied < r.Requests*9/10 {
		t.Errorf("%d requests, %d replied, %d failed", r.Requests, r.Replied, r.Failed)
	}
	checkErrors(t, r)
	checkTimes(t, r)
	checkGrowth(t, r)
}

// checkErrors checks that every error has a cause, and that connections went
// for the reasons that the seed's faults give them: its freeze and its stop last
// longer than any detection takes (TestTheFaultsOfTheMinuteCanBeNoticed), and
// its move comes when all is well.
func checkErrors(t *testing.T, r result) {
	sum := 0
	for _, n := range r.Errors {
		sum += n
	}
	if sum != r.Failed || r.Errors[causeUnexplained] > 0 {
		t.Errorf("%d failed: %v %v", r.Failed, r.Errors, r.Unexplained)
	}
	if r.Errors[causeShortDeadline] == 0 {
		t.Errorf("no request was abandoned: %v", r.Errors)
	}
	if r.Deaths["keepalive_timeout"]+r.Deaths["send_timeout"] == 0 || r.Deaths["heartbeat_failed"] == 0 ||
		r.Deaths["reset"]+r.Deaths["peer_closed"] == 0 {
		t.Errorf("connections died of %v", r.Deaths)
	}
	if r.Outages == 0 || r.Recycled["invalid"] == 0 || r.Recycled["unread"] == 0 || r.DialErrors == 0 {
		t.Errorf("%d outages, recycled %v, %d dials failed", r.Outages, r.Recycled, r.DialErrors)
	}
}

func checkTimes(t *testing.T, r result) {
	if r.Stalls.Count == 0 || r.Stalls.P50 < 0.25 || r.Stalls.P99 < r.Stalls.P50 || r.Stalls.Longest < r.Stalls.P99 {
		t.Errorf("stalls: %+v", r.Stalls)
	}
	if r.Replies.Count != r.Replied || r.Replies.P50 <= 0 || r.Replies.Longest < r.Replies.P99 {
		t.Errorf("replies: %+v", r.Replies)
	}
	if r.Silence < 1 || r.Silence > r.SilenceMax || r.SilenceMax != r.Promise+1 {
		t.Errorf("silence before a death: %v s of %v s", r.Silence, r.SilenceMax)
	}
	if r.Fine > r.FineMax || r.Calm > r.CalmMax {
		t.Errorf("a stall while the server was well: %v s of %v s; long after one was mute: %v s of %v s", r.Fine, r.FineMax, r.Calm, r.CalmMax)
	}
}

func checkGrowth(t *testing.T, r result) {
	first, last := r.Growth[0], r.Growth[len(r.Growth)-1]
	quiet := r.Growth[1 : len(r.Growth)-1]
	if len(quiet) < 3 {
		t.Fatalf("%d quiet moments", len(quiet))
	}
	for _, s := range quiet {
		if s.Conns != r.Conns || s.FDs != quiet[0].FDs || s.Goroutines != quiet[0].Goroutines {
			t.Errorf("%+v, at first %+v", s, quiet[0])
		}
	}
	if grown := quiet[0].FDs - first.FDs; grown < r.Conns || quiet[0].Goroutines < first.Goroutines+r.Workers {
		t.Errorf("%+v does not count %d connections and %d workers: %+v", quiet[0], r.Conns, r.Workers, first)
	}
	if last.FDs != first.FDs || last.Goroutines != first.Goroutines || last.Conns != 0 {
		t.Errorf("%+v, at first %+v", last, first)
	}
}

// TestTheFaultsOfTheMinuteCanBeNoticed looks at the seed: what a server that is
// mute, or stopped, does to the connections has to come before it is healed.
func TestTheFaultsOfTheMinuteCanBeNoticed(t *testing.T) {
	t.Parallel()
	o := options{total: 40 * time.Second, seed: minuteSeed, workers: 32, within: 3 * time.Second, kinds: kinds}
	for _, f := range plan(o)[0].faults {
		if took := f.end - f.start; (f.kind == freeze || f.kind == stop) && took < o.longestSilence()+time.Second {
			t.Errorf("%v", f)
		}
	}
}

func TestInterruptingEndsItWithTheReportSoFar(t *testing.T) {
	t.Parallel()
	p := start(t, "-for", "10m", "-workers", "8", "-seed", "4", "-failfast")
	p.waitFor(t, " is over") // after a fault at least
	begun := time.Now()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := p.status(); got != program.Interrupted {
		t.Errorf("exit status %d\n%s%s", got, &p.stdout, &p.stderr)
	}
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("ended after %v", took)
	}
	out := p.stdout.String()
	for _, want := range []string{
		"seed 4, 10m0s, 8 workers, 6 connections\n", "] the load begins\n", "] after warm-up: ", "] at the end: ",
		"\nrequests  ", "\n  short_deadline  ", "\nfaults  ", "\nstalls, from 250ms on  ", "\nafter the pool  ", "\nAll checks held.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if got := p.stderr.String(); got != "soak: interrupted\n" {
		t.Errorf("stderr: %s", got)
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-for 9s", "-for 9s: below 10s"},
		[2]string{"-for long", `invalid value "long" for flag -for`},
		[2]string{"-workers 0", "-workers 0: not 1 to 1000"},
		[2]string{"-workers 1001", "-workers 1001: not 1 to 1000"},
		[2]string{"-seed -1", `invalid value "-1" for flag -seed`},
		[2]string{"-within 1s", "1s"},
		[2]string{"-faults stop,flood", `no fault is called "flood"`},
		[2]string{"-nonsense", "flag provided but not defined: -nonsense"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-for", "-seed", "-workers", "-within", "-faults", "-failfast", "-json", "\n  1 ", "\n  3 ", "\n  130 ")
}
