package main

import (
	"strings"
	"testing"

	"example.com/hale/internal/lab/program"
)

// A step is something that a history enters for its only request, or for
// another number.
type step func(a *account, n uint64)

var (
	attempts step = func(a *account, n uint64) { a.attempt(n) }
	runs     step = func(a *account, n uint64) { a.run(n, "A") }
	replies  step = func(a *account, n uint64) { a.end(n, replied) }
	fails    step = func(a *account, n uint64) { a.end(n, failed) }
	withheld step = func(a *account, n uint64) { a.end(n, unsent) }
	balances step = func(a *account, _ uint64) { a.balance() }
	runsNext step = func(a *account, n uint64) { a.run(n+1, "A") }
)

func TestTheLedgerCatchesWhatIsWrongAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		idempotent bool
		steps      []step
		check      checkName // that fails; none if empty
		want       string    // in what it says
	}{
		{"answered", false, []step{attempts, runs, replies}, "", ""},
		{"told by the server later", false, []step{attempts, replies, runs}, "", ""},
		{"failed and run", false, []step{attempts, runs, fails}, "", ""},
		{"failed and run later", false, []step{attempts, fails, balances, runs}, "", ""},
		{"failed and not run", false, []step{attempts, fails}, "", ""},
		{"not sent", false, []step{withheld}, "", ""},
		{"sent again, since nothing of it had left", false, []step{attempts, attempts, runs, replies}, "", ""},
		{"idempotent and run by each attempt", true, []step{attempts, runs, attempts, runs, replies}, "", ""},
		{"idempotent and run by the first attempt later", true, []step{attempts, attempts, runs, replies, balances, runs}, "", ""},

		{"lost", false, []step{attempts, runs}, checkEnds, "1-1 has ended neither"},
		{"lost before it was sent", false, nil, checkEnds, "1-1 has ended neither"},
		{"run twice", false, []step{attempts, runs, runs, replies}, checkRuns, "1-1 was run 2 times"},
		{"run again after the reply", false, []step{attempts, runs, replies, runs}, checkRuns, "1-1 was run again"},
		{"run again after it failed", false, []step{attempts, fails, runs, runs}, checkRuns, "1-1 was run again"},
		{"sent again though it had left", false, []step{attempts, runs, attempts, runs, replies}, checkRuns, "1-1 was run 2 times"},
		{"idempotent and run once more than sent", true, []step{attempts, runs, attempts, runs, replies, runs}, checkRuns, "1-1 was run again"},
		{"unsent and run before", false, []step{attempts, runs, withheld}, checkRuns, "1-1 was said to be unsent"},
		{"unsent and run after", false, []step{attempts, withheld, balances, runs}, checkRuns, "1-1 was said to be unsent"},
		{"never attempted and run after", false, []step{withheld, balances, runs}, checkRuns, "1-1 was run again"},
		{"idempotent, unsent and run", true, []step{attempts, runs, attempts, withheld}, checkRuns, "1-1 (idempotent, 2 attempts) was said to be unsent"},
		{"replied to and not run", false, []step{attempts, replies}, checkRuns, "1-1 was replied to"},
		{"run without a request", false, []step{attempts, runs, replies, runsNext}, checkRuns, "1-2 was run by A, and nobody"},
		{"run before it was sent", false, []step{runs, withheld}, checkRuns, "1-1 was run 1 times"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var found findings
			a := newAccount(&found)
			n := a.begin(0, test.idempotent)
			for _, step := range append(test.steps, balances, balances) { // nothing is found twice
				step(a, n)
			}
			all := found.all()
			if test.check == "" {
				if len(all) > 0 {
					t.Errorf("found %+v", all)
				}
				return
			}
			got := all[test.check]
			if len(all) != 1 || got.Count == 0 || !strings.Contains(got.First[0], test.want) {
				t.Errorf("found %+v, want %q, for %q", all, test.want, test.check)
			}
		})
	}
}

func TestTheAccountForgetsWhatIsSettled(t *testing.T) {
	t.Parallel()
	a := newAccount(new(findings))
	for range 1000 {
		n := a.begin(3, false)
		a.attempt(n)
		a.run(n, "B")
		a.end(n, replied)
	}
	for range 1000 {
		a.end(a.begin(3, false), unsent)
	}
	if len(a.open) > 0 {
		t.Errorf("%d requests are kept", len(a.open))
	}
}

func TestTheVerdictNamesEveryCheckThatFailed(t *testing.T) {
	t.Parallel()
	var f findings
	if err := verdict(f.all()); err != nil {
		t.Error(err)
	}
	f.add(checkHeap, "much")
	for i := range mostDetails + 5 {
		f.add(checkMatched, "reply %d", i)
	}
	err := verdict(f.all())
	if err == nil || program.Status(err) != program.Missed {
		t.Fatalf("status %d, %v", program.Status(err), err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || lines[1] != "not so: the heap does not grow (1): much" ||
		!strings.HasPrefix(lines[0], "not so: every reply is to its request (15): reply 0; ") || strings.Contains(lines[0], "reply 10") {
		t.Errorf("%q", lines)
	}
	for c := range f.all() {
		found := false
		for _, known := range checks {
			found = found || known == c
		}
		if !found {
			t.Errorf("%q is not among the checks", c)
		}
	}
}
