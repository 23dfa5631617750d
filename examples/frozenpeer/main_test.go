package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/peer"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// forgetfulEnv makes of this test binary the program, on a kernel that keeps no filter.
const forgetfulEnv = "FROZENPEER_ON_A_FORGETFUL_KERNEL"

// TestMain is the test's, the peer's process that scenario stopped starts, or the
// program.
func TestMain(m *testing.M) {
	peer.Be()
	if os.Getenv(forgetfulEnv) != "" {
		if err := testnet.ForgetFilters(0); err != nil {
			fmt.Print("none to be had: ", err)
			os.Exit(program.Held)
		}
		main()
	}
	testnet.Main(m)
}

func TestAKernelOnWhichNobodyCanBeFrozenIsNotMeasured(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), forgetfulEnv+"=1")
	out, _ := cmd.CombinedOutput()
	if strings.HasPrefix(string(out), "none to be had: ") {
		testnet.Missing(t, "a filter of system calls: "+string(out))
	}
	if want := "this machine cannot freeze a peer: "; cmd.ProcessState.ExitCode() != program.Cannot || !strings.Contains(string(out), want) ||
		!strings.Contains(string(out), "does not keep it") {
		t.Errorf("status %d, want %d and %q: %s", cmd.ProcessState.ExitCode(), program.Cannot, want, out)
	}
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	testnet.NeedFreeze(t)
	o, err := parse(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("frozenpeer %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
	return out.String()
}

func TestAllScenariosEndAsPredicted(t *testing.T) {
	t.Parallel()
	out := output(t, "-scenario", "all", "-json", "-idle", "1s", "-interval", "1s", "-count", "2")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []record{
		{Scenario: "idle", Cause: "keepalive_timeout", Errno: "ETIMEDOUT"},
		{Scenario: "unacked", Cause: "send_timeout", Errno: "ETIMEDOUT"},
		{Scenario: "stalled", Cause: "peer_stalled", Errno: "ETIMEDOUT"},
		{Scenario: "tolerated"},
		{Scenario: "slow", Cause: "send_timeout", Errno: "ETIMEDOUT"},
		{Scenario: "reset", Cause: "reset", Errno: "ECONNRESET"},
		{Scenario: "fin", Cause: "peer_closed"},
		{Scenario: "stopped"},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d\n%s", len(lines), len(want), out)
	}
	for i, w := range want {
		var got record
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if got.Scenario != w.Scenario || got.Cause != w.Cause || got.Errno != w.Errno || got.Timeout || !got.Within {
			t.Errorf("got %s, want %+v within its prediction", lines[i], w)
		}
		quiet := w.Cause == ""
		if (got.Detected == nil) != quiet || (got.PredictedMin == nil) != quiet || (got.PredictedMax == nil) != quiet {
			t.Errorf("null at the wrong place: %s", lines[i])
		}
		stalls := w.Scenario == "stalled"
		if *got.Asked.Count != 2 || *got.Asked.UserTimeout != 3 || (got.Asked.StallTimeout != nil) != stalls ||
			(got.Effective.UserTimeout != nil) != stalls || (got.Effective.Pace != nil) != testnet.LinuxIs(6, 15) {
			t.Errorf("options: %s", lines[i])
		}
		if (got.Heartbeat == nil) != (w.Scenario != "stopped") {
			t.Errorf("heartbeat: %s", lines[i])
		}
		switch w.Scenario {
		case "idle", "unacked":
			if got.Suspect == nil || *got.Suspect >= *got.Detected {
				t.Errorf("no early warning: %s", lines[i])
			}
		case "reset", "fin", "stopped":
			if got.Suspect != nil {
				t.Errorf("a warning of nothing: %s", lines[i])
			}
		}
	}
}

func TestJSONHasTheDocumentedFieldsAndNothingElse(t *testing.T) {
	t.Parallel()
	var fields map[string]any
	if err := json.Unmarshal([]byte(output(t, "-scenario", "fin", "-json")), &fields); err != nil {
		t.Fatal(err)
	}
	want := []string{"scenario", "asked", "effective", "predicted_min_s", "predicted_max_s",
		"detected_after_s", "suspect_after_s", "heartbeat_after_s", "cause", "errno", "timeout", "within_prediction"}
	for name := range fields {
		if !slices.Contains(want, name) {
			t.Errorf("field %s is not documented", name)
		}
	}
	if len(fields) != len(want) {
		t.Errorf("%d fields, want %d", len(fields), len(want))
	}
}

func TestTheTimelineTellsTheStoryInOrder(t *testing.T) {
	t.Parallel()
	out := output(t, "-count", "2", "-freeze-after", "100ms")
	pace := ""
	if testnet.LinuxIs(6, 15) { // TCP_RTO_MAX_MS
		pace = ", pace 1s"
	}
	story := regexp.MustCompile(`(?s)^\[00\.000\] connected to 127\.0\.0\.1:\d+ \(idle 1s, interval 1s, count 2, user timeout 0s` + pace + `\)
\[00\.\d{3}\] read 4 bytes
\[00\.[1-9]\d\d\] the peer is frozen.*
\[0[12]\.\d{3}\] suspect: \d probes? unanswered, peer silent for [12]\.\d\d s
\[0[23]\.\d{3}\] read failed, cause keepalive_timeout: connection dead: .*
.*\bidle +2 to 3 s +[12]\.\d\d s +[23]\.\d\d s +keepalive_timeout +ETIMEDOUT +false +yes +nothing in .*
.*net\.Dialer: not noticed when we stopped watching; .* 135 to 150 s
tolerance +-0\.1 s, \+12\.5 % \+0\.2 s`)
	if !story.MatchString(out) {
		t.Errorf("another story:\n%s", out)
	}
}

func TestAServerElsewhereCountsFromItsLastSignOfLife(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	l := testnet.Listen(t)
	peers := make(chan error, 1)
	go func() {
		c, err := l.AcceptTCP()
		if err == nil {
			time.Sleep(1500 * time.Millisecond) // the first probe is answered
			t.Cleanup(func() { c.Close() })
			err = freeze(&peer.Link{Peer: c})
		}
		peers <- err
	}()
	out := output(t, "-addr", l.Addr().String(), "-count", "1", "-json")
	if err := <-peers; err != nil {
		t.Fatal(err)
	}
	var got record
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Within || *got.PredictedMin != 2 || *got.PredictedMax != 2 {
		t.Errorf("got %s, want 2 s", out)
	}
}

func TestInterruptingEndsEverything(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	if out := programtest.Interrupt(t, parse, run, "-scenario all -idle 60s", 300*time.Millisecond); out != "" {
		t.Errorf("printed %s", out)
	}
}

func TestThePredictionsOfTheSeedExperiments(t *testing.T) {
	t.Parallel()
	first := sockopt.KeepAlive{Idle: time.Second, Interval: 3 * time.Second, Count: 10, UserTimeout: 31 * time.Second}
	paced, short := first, sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 2, UserTimeout: 3 * time.Second}
	paced.Pace, short.Pace = 2500*time.Millisecond, time.Second
	limited := first
	limited.StallTimeout = 31 * time.Second
	early := sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 3, UserTimeout: time.Second}
	wide := sockopt.KeepAlive{Idle: time.Second, Interval: 3 * time.Second, Count: 1, UserTimeout: 4 * time.Second}
	cut := wide // by the user timeout, to what wide is
	cut.Count, cut.UserTimeout = 10, 5*time.Second
	second := sockopt.KeepAlive{Idle: 20 * time.Second, Interval: 50 * time.Second, Count: 1, UserTimeout: 70 * time.Second}
	for _, test := range []struct {
		predict        predictFunc
		k              sockopt.KeepAlive
		quiet          time.Duration
		min, max       float64
		within, beyond []float64
	}{
		{window, first, 0, 30, 31, []float64{29.9, 30.6, 31.83, 35.07}, []float64{0, 29.89, 35.08}},
		{window, second, 10 * time.Second, 50, 70, []float64{49.9, 60.3, 63.04, 73.04, 78.95}, []float64{49.89, 78.96}},
		{window, wide, 1500 * time.Millisecond, 3, 6, []float64{5.8}, nil},
		{window, cut, 1500 * time.Millisecond, 3, 6, []float64{4.5}, []float64{7.5}},
		{stalled, limited, 0, 31, 31.5, []float64{31.2}, []float64{30}},
		{stalled, first, 0, 0, 62, nil, []float64{31}},
		{unacknowledged, early, 0, 1, 1.5, []float64{1.42}, []float64{4}},
		{unacknowledged, limited, 0, 31, 31.5, []float64{31, 31.25}, []float64{30.8, 36}},
		{unacknowledged, first, 5 * time.Second, 30, 31.5, []float64{30.1, 31.42}, []float64{29.8, 36}},
		{unacknowledged, first, 0, 31, 31.5, []float64{31, 31.42}, []float64{30.8, 36}},
		{shut, paced, 0, 28.5, 31, []float64{28.4, 30.5, 31.2}, []float64{-1, 28.3, 36}},
		{shut, short, 0, 2, 3.5, []float64{2.5, 3.41, 3.6}, []float64{-0.1, 1.8, 4.2}},
		{shut, first, 0, 0, 526.125, []float64{250}, []float64{-1, 600}},
		{atOnce, first, 0, 0, 0.1, []float64{0, 0.3}, []float64{0.32, 4}},
		{never, first, 0, 0, 35.075, nil, []float64{0, 31, 35}},
		{sinceLastSign, first, 0, 31, 33, []float64{30.9, 31.8}, []float64{30}},
		{sinceLastSign, second, 0, 70, 100, []float64{73.04}, []float64{60}},
	} {
		r := sockopt.Report{Platform: sockopt.Platform{GOOS: "linux"}, Asked: test.k, Got: test.k}
		if test.k != early && test.k != cut { // those two are held by a kernel alone
			r.Got.UserTimeout = test.k.StallTimeout
		}
		p := test.predict(r, test.quiet)
		if p.min.Seconds() != test.min || p.max.Seconds() != test.max {
			t.Errorf("%v: predicted %v to %v, want %v to %v s", test.k, p.min, p.max, test.min, test.max)
		}
		for _, s := range test.within {
			if !p.holds(noticedAfter(s)) {
				t.Errorf("%v: %v s lies outside", test.k, s)
			}
		}
		for _, s := range test.beyond {
			if p.holds(noticedAfter(s)) {
				t.Errorf("%v: %v s lies within", test.k, s)
			}
		}
		if p.holds(peer.Outcome{}) != p.never {
			t.Errorf("%v: nothing was noticed, and holds is %v", test.k, !p.never)
		}
	}
}

func noticedAfter(seconds float64) peer.Outcome {
	return peer.Outcome{Err: os.ErrClosed, After: time.Duration(seconds * float64(time.Second))}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-scenario nap", `-scenario "nap": not one of idle, unacked, stalled, tolerated, slow, reset, fin, stopped, all`},
		[2]string{"-idle 40000s", "Idle 40000s: above 32767s"},
		[2]string{"-interval 40000s", "Interval 40000s: above 32767s"},
		[2]string{"-count 128", "Count 128: above 127"},
		[2]string{"-idle -2s", "Idle -2s: negative"},
		[2]string{"-user-timeout -1ns", "-user-timeout -1ns: below 0s"},
		[2]string{"-stall-timeout -1ns", "-stall-timeout -1ns: below 0s"},
		[2]string{"-freeze-after -1s", "-freeze-after -1s: below 0s"},
		[2]string{"-idle soon", `invalid value "soon" for flag -idle`},
		[2]string{"-addr nowhere", `-addr "nowhere": not host:port`},
		[2]string{"-addr localhost:1 -scenario fin", "-scenario can only be idle"},
		[2]string{"-addr localhost:1 -scenario all", "-scenario can only be idle"},
		[2]string{"-addr localhost:1 -freeze-after 1s", "-freeze-after means nothing"},
		[2]string{"-nonsense", "flag provided but not defined: -nonsense"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-idle", "-interval", "-count", "-user-timeout", "-stall-timeout", "-freeze-after",
		"-scenario", "-json", "-addr", "\n  1 ", "\n  3 ", "\n  130 ")
}
