package main

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A history knows which faults there were, and when.
type history struct {
	mu       sync.Mutex // guards episodes
	episodes []episode
}

// An episode is a fault, or what is no fault and of interest, that has begun.
type episode struct {
	kind   kind
	server int
	span
}

// during is how it looks to what has happened up to a time: one that goes on
// has no end before.
func (e episode) during(to time.Time, after time.Duration) span {
	if e.to.IsZero() {
		return span{e.from, to}
	}
	return span{e.from, e.to.Add(after)}
}

// begins notes that a fault is about to happen.
func (h *history) begins(k kind, server int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.episodes = append(h.episodes, episode{k, server, span{from: time.Now()}})
}

// ends notes that the fault of a kind is over.
func (h *history) ends(k kind, server int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.episodes {
		if e := &h.episodes[i]; e.kind == k && e.server == server && e.to.IsZero() {
			e.to = time.Now()
		}
	}
}

// A choice is of episodes.
type choice func(episode) bool

// of chooses the kinds.
func of(kinds ...kind) choice {
	return func(e episode) bool { return slices.Contains(kinds, e.kind) }
}

// at chooses those of a server in c.
func (c choice) at(server int) choice {
	return func(e episode) bool { return e.server == server && c(e) }
}

var (
	// mute are the faults in which a server, or its machine, does not answer.
	mute = of(freeze, kill, stop, slowReader)
	// unreached are those, and the outages that follow of them.
	unreached = of(freeze, kill, stop, slowReader, outage)
	// troubled are those, and the times in which nobody could notice an answer.
	troubled = of(freeze, kill, stop, slowReader, standstill, quiet)
)

// aftermath is what a fault may have caused when it is over, on a busy machine.
const aftermath = time.Second

// any reports whether there was one of the chosen within s, or just before.
func (h *history) any(s span, c choice) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.episodes, func(e episode) bool {
		d := e.during(s.to, aftermath)
		return c(e) && d.from.Before(s.to) && !d.to.Before(s.from)
	})
}

// stood is for how much of s this process did not get to run.
func (h *history) stood(s span) (total time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.episodes {
		if d := e.during(s.to, 0); e.kind == standstill {
			total += max(0, earlier(d.to, s.to).Sub(later(d.from, s.from)))
		}
	}
	return total
}

// longestWithout returns the longest time without a break, within s, that is
// not in one of the chosen, nor in the time of so long after.
func (h *history) longestWithout(s span, c choice, after time.Duration) (longest time.Duration) {
	h.mu.Lock()
	chosen := slices.DeleteFunc(slices.Clone(h.episodes), func(e episode) bool { return !c(e) })
	h.mu.Unlock()
	slices.SortFunc(chosen, func(a, b episode) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
	from := s.from
	for _, e := range chosen {
		d := e.during(s.to, after)
		longest = max(longest, earlier(d.from, s.to).Sub(from))
		from = later(from, d.to)
	}
	return max(longest, s.to.Sub(from))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
