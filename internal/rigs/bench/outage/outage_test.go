package outage

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestEveryContestantIsThereAgain(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	trials, at, err := run(t.Context(), contestants, 100*time.Millisecond, 200*time.Millisecond, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range trials {
		if r := tr.result(at); math.IsNaN(r.first) || math.IsNaN(r.all) || r.first > r.all || r.endless > 0 || r.stall < 100*time.Millisecond {
			t.Errorf("%s, %s: %+v", tr.name, tr.settings, r)
		}
	}
}

func TestAResultIsOfWhatTheCallersWentThrough(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	after := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	at := times{begin: start, freeze: after(10), thaw: after(30), end: after(40)}
	tr := &trial{before: 2, during: 12}
	failed := errors.New("no")
	for i := range conns {
		// Each is served at 9 s, has an error at 12 s to 12.7 s and is served 1 s and more after the thaw.
		more := 0.1 * float64(i)
		tr.requests = append(tr.requests, request{after(8), after(9), nil}, request{after(9), after(12 + more), failed}, request{after(13), after(31 + more), nil})
		tr.served[i] = after(31 + more)
	}
	slices.SortFunc(tr.requests, func(a, b request) int { return a.to.Compare(b.to) })
	r := tr.result(at)
	want := result{stall: 18700 * time.Millisecond, told: 2e9, errs: conns, first: 1e9, all: 1.7e9, dials: 0.5}
	if r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
	tr.since[3], tr.served[3] = after(20), after(9)
	if r := tr.result(at); r.endless != 1 || r.stall != 20*time.Second || !math.IsNaN(r.all) {
		t.Errorf("of one that never ends: %+v", r)
	}
}

func TestReadingBeginsWithWhoIsBetter(t *testing.T) {
	t.Parallel()
	trials := []*trial{
		{contestant: contestant{name: "hale", settings: "defaults"}},
		{contestant: contestant{name: "a"}}, {contestant: contestant{name: "b"}},
		{contestant: contestant{name: "c", limited: true}},
	}
	got := read(trials, []result{{first: 1e9, stall: 5}, {first: 2e8, stall: 5}, {first: 9.5e8, stall: 4}, {first: 1}})
	if len(got) != 2 || !strings.HasSuffix(got[0], "sooner (1.00 s) with a (200 ms).") || !strings.HasSuffix(got[1], "with b (4.00 ns).") {
		t.Errorf("%q", got)
	}
	if got := read(trials[:2], []result{{}, {first: math.NaN()}}); len(got) != 1 || !strings.HasPrefix(got[0], "No rival") {
		t.Errorf("%q", got)
	}
}
