package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestAFreezeADrainAndANewServerCostWhatIsPromised(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	o, err := parse([]string{"-step", "1s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	story := regexp.MustCompile(`(?s)^\[00\.000\] the resolver says \[A B C\]
.*\] all is well
.*\] A is frozen
.*\] A is down: outage\.id=1 .*
.*\] the resolver says \[A C\]
.*\] B is drained
.*\] the resolver says \[A C D\]
.*\] D is added
.*\] D is warm

 +replies of +A +B +C +D
 +all is well +\d\d+ +\d\d+ +\d\d+ +0
.* +B is drained +0 +0 +\d\d+ +0
 +D is added +0 +0 +\d\d+ +\d+
 +D is warm +0 +0 +\d\d+ +\d\d+

requests \d+, failed \d+ `)
	if !story.MatchString(out.String()) {
		t.Errorf("another story:\n%s", &out)
	}
}

func TestTheVerdictNamesEachThingThatWentWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want  string
		spoil func(*report)
	}{
		{"", func(*report) {}},
		{"2 requests were sent twice", func(r *report) { r.Duplicated = 2 }},
		{"3 requests were begun again, and may have been sent", func(r *report) { r.resent = 3 }},
		{"1 replies were another request's", func(r *report) { r.Crossed = 1 }},
		{"3 connections were handed out dead", func(r *report) { r.DeadHandedOut = 3 }},
		{"9 requests failed, more than were under way", func(r *report) { r.Failed = 9 }},
		{"1 requests failed although A was known to be down", func(r *report) { r.lateFailures = 1 }},
		{"1 requests went to B after it was drained", func(r *report) { r.afterDrain = 1 }},
		{"a stall of 4.01 s, promised is at most 4s", func(r *report) { r.LongestStall += 10 * time.Millisecond }},
		{"the new server has 10 of the last 100 requests, less than a quarter", func(r *report) { r.phases[0].by = map[string]int{"C": 90, "D": 10} }},
	} {
		r := report{
			options: options{within: 3 * time.Second}, Result: loadtest.Result{Failed: 8, LongestStall: 4 * time.Second},
			phases: []phase{{by: map[string]int{"C": 50, "D": 50}}},
		}
		test.spoil(&r)
		programtest.Verdict(t, r.verdict(), test.want)
	}
}

func TestInterruptingEndsEverything(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for _, after := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond} { // before the freeze, and after
		if out := programtest.Interrupt(t, parse, run, "-step 1s -within 60s", after); strings.Contains(out, "requests") {
			t.Errorf("printed %s", out)
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-within 1s", "1s"},
		[2]string{"-step 1ms", "-step 1ms: below 100ms"},
		[2]string{"-nonsense", "flag provided but not defined: -nonsense"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-within", "-step", "-page", "\n  1 ", "\n  3 ", "\n  130 ")
}

func TestThePageShowsTheCluster(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-page", "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(o, io.Discard)
	defer s.close()
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	s.showPage()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(s.pageAt)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.HasPrefix(string(text), "cluster, ") || !strings.Contains(string(text), "demo: ") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAPageThatCannotBeServedIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := parse([]string{"-page", l.Addr().String()}, nil); program.Status(err) != program.Missed || !strings.Contains(err.Error(), "listen") {
		t.Errorf("%v", err)
	}
}
