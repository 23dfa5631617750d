package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/failover"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func show(t *testing.T, args ...string) string {
	t.Helper()
	testnet.NeedFreeze(t)
	o, err := parse(append([]string{"-freeze-after", "1s", "-thaw-after", "4s", "-run-on", "500ms"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("failover %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
	return out.String()
}

func TestAFrozenServerCostsTheRequestsUnderWayAndNothingElse(t *testing.T) {
	t.Parallel()
	out := show(t, "-json")
	var got record
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Duplicated != 0 || got.Crossed != 0 || got.DeadHandedOut != 0 {
		t.Errorf("unsafe: %s", out)
	}
	if got.Failed == 0 || got.Failed > len(failover.Pauses) || got.Requests < 1000 {
		t.Errorf("%d of %d requests failed, want at most one for each worker", got.Failed, got.Requests)
	}
	if got.Detected == nil || got.Recovered == nil {
		t.Fatalf("not detected or not recovered: %s", out)
	}
	if *got.Detected > got.PredictedMax || got.PredictedMax != 3 || *got.Recovered > got.LongestStall+failover.Pauses[7].Seconds() ||
		got.LongestStall < 1 || got.LongestStall > 4 {
		t.Errorf("times: %s", out)
	}
}

func TestAShortFreezeIsSafeToo(t *testing.T) {
	t.Parallel()
	show(t, "-json", "-thaw-after", "600ms", "-run-on", "3s")
}

func TestJSONHasTheDocumentedFieldsAndNothingElse(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := report{hale: failover.Outcome{Detected: -1, Recovered: time.Second}}
	if err := r.printJSON(&out); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(out.String()), &fields); err != nil {
		t.Fatal(err)
	}
	want := []string{"crossed", "dead_handed_out", "detected_after_s", "duplicated", "failed", "longest_stall_s",
		"predicted_max_s", "recovered_after_s", "requests", "retried"}
	if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if fields["detected_after_s"] != nil || fields["recovered_after_s"] != 1.0 {
		t.Errorf("times: %s", &out)
	}
}

// The hooks of connections and those of the pool are called beside each other: of the first
// death and the outage that begins with it, either may be told first.
func TestTheTimelineTellsTheStoryInOrder(t *testing.T) {
	t.Parallel()
	out := show(t)
	story := regexp.MustCompile(`(?s)^\[00\.000\] A \(127\.0\.0\.1:\d+\) is frozen, with 16 connections open
.*\[0[01]\.\d{3}\] first suspect: .*
\[0[12]\.\d{3}\] (?:first death, with \d+ connections in doubt: connection dead: .*
.*\] outage 1 begins|outage 1 begins
.*\] first death, with \d+ connections in doubt: connection dead: .*)
.*\] reconnect attempt 1, 0\.5\d\d s: dial tcp .* i/o timeout
.*\] reconnect attempt \d, .* connected
.*\] fully healed: 16 connections, 16 of them to B
.*\[0[4]\.\d{3}\] A is thawed

 +hale's pool +puddle and net\.Dialer
requests .*
failed, and not sent again +[1-8] \(.*\) +0
unanswered when stopped +0 +8
retried +0 +0
duplicated +0 +0
crossed +0 +0
dead handed out +0 +0
longest stall +[123]\.\d\d s +[45]\.\d\d s, and going on
all deaths detected after +[123]\.\d\d s +not in 4\.\d\d s
replies again after +[123]\.\d\d s +not in 4\.\d\d s

The prediction is 3s, so the stall may be 4s.*
The plain pool was stopped 4\.\d s after the freeze`)
	if !story.MatchString(out) {
		t.Errorf("another story:\n%s", out)
	}
	for _, event := range []string{
		`\] first reply since the freeze, [123]\.\d\d s after it`,
		`\] all recycled: 16 connections to A have died, none is open`,
		`\] outage \d is over, `,
	} {
		if !regexp.MustCompile(event).MatchString(out) {
			t.Errorf("no line with %s:\n%s", event, out)
		}
	}
}

func TestTheVerdictNamesEachThingThatWentWrong(t *testing.T) {
	t.Parallel()
	well := failover.Outcome{Result: loadtest.Result{Requests: 9, Failed: 8, LongestStall: 4 * time.Second}}
	for _, test := range []struct {
		want  string
		spoil func(*failover.Outcome)
	}{
		{"", func(*failover.Outcome) {}},
		{"2 requests were sent twice", func(o *failover.Outcome) { o.Duplicated = 2 }},
		{"1 replies were another request's", func(o *failover.Outcome) { o.Crossed = 1 }},
		{"3 connections were handed out dead", func(o *failover.Outcome) { o.DeadHandedOut = 3 }},
		{"a stall of 4.01 s, predicted is at most 4s", func(o *failover.Outcome) { o.LongestStall += 10 * time.Millisecond }},
	} {
		r := report{options: options{within: 3 * time.Second}, hale: well}
		test.spoil(&r.hale)
		programtest.Verdict(t, r.verdict(), test.want)
	}
}

func TestInterruptingEndsEverything(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for _, after := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond} { // before the freeze, and after
		if out := programtest.Interrupt(t, parse, run, "-freeze-after 1s -within 60s", after); strings.Contains(out, "requests") {
			t.Errorf("printed %s", out)
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-within 1s", "1s"},
		[2]string{"-within soon", `invalid value "soon" for flag -within`},
		[2]string{"-freeze-after -1s", "-freeze-after -1s: below 0s"},
		[2]string{"-thaw-after -1s", "-thaw-after -1s: below 0s"},
		[2]string{"-run-on -1s", "-run-on -1s: below 0s"},
		[2]string{"-nonsense", "flag provided but not defined: -nonsense"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-within", "-freeze-after", "-thaw-after", "-run-on", "-json", "-page", "\n  1 ", "\n  3 ", "\n  130 ")
}
