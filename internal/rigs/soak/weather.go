package main

import (
	"sync"
	"time"
)

// A weather knows when the server that the name leads to was well. The zero
// weather is fine: the name leads to the first server.
type weather struct {
	mu   sync.Mutex // guards what follows
	name int
	down [2]bool // frozen, killed or stopped
	away bool    // nobody asks
	foul []span  // when it was not fine, in order; the last one may go on
}

// A span is a time. One that goes on has no end.
type span struct{ from, to time.Time }

// leads notes that the name leads to a server from now on.
func (w *weather) leads(server int) { w.change(func() { w.name = server }) }

// fails notes that a server is down, or well again.
func (w *weather) fails(server int, down bool) { w.change(func() { w.down[server] = down }) }

// rests notes that nobody asks, or that somebody does again.
func (w *weather) rests(away bool) { w.change(func() { w.away = away }) }

func (w *weather) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.isFoul()
	f()
	switch now := time.Now(); {
	case !was && w.isFoul():
		w.foul = append(w.foul, span{from: now})
	case was && !w.isFoul():
		w.foul[len(w.foul)-1].to = now
	}
}

func (w *weather) isFoul() bool { return w.away || w.down[w.name] }

// longestFine returns the longest time without a break, within s, in which the
// server that the name led to was well.
func (w *weather) longestFine(s span) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to := s.to
	for i := len(w.foul) - 1; i >= 0 && to.After(s.from); i-- {
		foul := w.foul[i]
		if !foul.from.Before(s.to) {
			continue
		}
		if foul.to.IsZero() || foul.to.After(s.to) {
			foul.to = s.to
		}
		longest = max(longest, to.Sub(later(foul.to, s.from)))
		to = foul.from
	}
	return max(longest, to.Sub(s.from))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
