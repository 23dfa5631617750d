package debugpage

import "time"

const (
	// timelineLasts is how far back the timeline of a pool goes.
	timelineLasts = 15 * time.Minute
	// unseenAfter is the time between two looks after which nothing is known of what
	// lies between.
	unseenAfter = 5 * time.Second
	// runsKept bounds the history of a pool whose state changes all the time.
	runsKept = 256
)

// history is the states of a pool while somebody looked. A pool keeps no account of
// them, so that it has no work with it; of outages it does.
type history struct{ runs []run }

// run is a state that was seen from one time to another.
type run struct {
	State string    `json:"state"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// add takes note of a state.
func (h *history) add(state string, at time.Time) {
	if n := len(h.runs); n > 0 && at.Sub(h.runs[n-1].To) <= unseenAfter {
		last := &h.runs[n-1]
		last.To = at
		if last.State == state {
			return
		}
	}
	h.runs = append(h.runs, run{state, at, at})
	h.forget(at)
}

// forget drops what the timeline does not show any more.
func (h *history) forget(now time.Time) {
	old := 0
	for old < len(h.runs) && (now.Sub(h.runs[old].To) > timelineLasts || len(h.runs)-old > runsKept) {
		old++
	}
	h.runs = append([]run(nil), h.runs[old:]...)
}

// isOld reports whether there is nothing to show.
func (h *history) isOld(now time.Time) bool {
	n := len(h.runs)
	return n == 0 || now.Sub(h.runs[n-1].To) > timelineLasts
}

// since is when a state was seen to begin that lasts: zero if nobody looked then.
func (h *history) since(state string) (from time.Time) {
	n := len(h.runs)
	if n > 1 && h.runs[n-1].State == state && h.runs[n-1].From.Equal(h.runs[n-2].To) {
		from = h.runs[n-1].From
	}
	return from
}
