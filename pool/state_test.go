package pool

import (
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// names of states and events, as in the table.
var (
	stateNames = [states]string{
		free: "free", taken: "taken", parked: "parked", consulting: "consulting", quarantined: "quarantined", inUse: "inUse",
		interrupted: "interrupted", leaving: "leaving", closing: "closing", hijacked: "hijacked",
	}
	eventNames = [events]string{
		take: "take", claim: "claim", park: "park", unpark: "unpark", quarantine: "quarantine", readmit: "readmit",
		consult: "consult", consulted: "consulted", disown: "disown", put: "put", release: "release", reclaim: "reclaim", interrupt: "interrupt", condemn: "condemn", hijack: "hijack", abort: "abort",
		leave: "leave", leaveParked: "leaveParked", remove: "remove",
	}
)

// documented is the table in the documentation of state: what an event makes of
// a state.
func documented(t *testing.T) map[[2]string]string {
	t.Helper()
	source, err := os.ReadFile("state.go")
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[[2]string]string)
	row := regexp.MustCompile(`(?m)^//\t(\w+(?:, unmarked)?)  +(\w+)(?::.*?)?  +(\w+(?:, the next use|, unfit)?)$`)
	for _, m := range row.FindAllStringSubmatch(string(source), -1) {
		if m[1] != "from" {
			table[[2]string{m[1], m[2]}] = m[3]
		}
	}
	return table
}

func TestTheTableOfStatesIsWhatHappens(t *testing.T) {
	t.Parallel()
	table := documented(t)
	rows := 0
	for from := range states {
		for e := range events {
			to, always := table[[2]string{stateNames[from], eventNames[e]}]
			if !always {
				to = table[[2]string{stateNames[from] + ", unmarked", eventNames[e]}]
			}
			if to != "" {
				rows++
			}
			for _, mark := range []word{0, unfit, needsCheck, outlived, surplus, moved} {
				want := to
				if mark != 0 && !always {
					want = ""
				}
				mustMove(t, from, e, mark, want)
			}
		}
	}
	if rows != len(table) || rows == 0 {
		t.Errorf("%d of %d rows are about a state and an event", rows, len(table))
	}
}

// mustMove checks what an event makes of a slot in its third use.
func mustMove(t *testing.T, from state, e event, mark word, want string) {
	t.Helper()
	const use = 3
	at := func() *status {
		s := new(status)
		s.v.Store(uint64(word(from) | mark | use<<useShift))
		return s
	}
	s := at()
	now, ok := s.do(e, use)
	ends := strings.HasSuffix(want, ", the next use")
	want = strings.TrimSuffix(want, ", the next use")
	marked := mark
	if to, yes := strings.CutSuffix(want, ", unfit"); yes {
		want, marked = to, mark|unfit
	}
	w := s.load()
	switch {
	case ok != (want != ""):
		t.Errorf("%s, marks %b: %s fits: %v", stateNames[from], mark, eventNames[e], ok)
	case !ok && w != at().load():
		t.Errorf("%s: %s has changed it", stateNames[from], eventNames[e])
	case ok && (stateNames[w.state()] != want || w&marks != marked || w.use() != now || (now != use) != ends):
		t.Errorf("%s: %s makes it %s, use %d, marks %b", stateNames[from], eventNames[e], stateNames[w.state()], w.use(), w&marks)
	}
	if s = at(); ok {
		if _, ok := s.do(e, use-1); ok {
			t.Errorf("%s: %s in a use that has ended", stateNames[from], eventNames[e])
		}
		if !s.move(e) {
			t.Errorf("%s: %s in whichever use", stateNames[from], eventNames[e])
		}
	}
}

func TestAUseEndsForOneOfTwo(t *testing.T) {
	t.Parallel()
	var s status
	for range 5000 {
		use, _ := s.do(claim, whichever)
		var ended, ready atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for ready.Add(1); ready.Load() < 2; { // so that both go on at the same moment
				}
				if _, ok := s.do(release, use); ok {
					ended.Add(1)
				}
			})
		}
		wg.Wait()
		if ended.Load() != 1 {
			t.Fatalf("%d ended it", ended.Load())
		}
	}
}
