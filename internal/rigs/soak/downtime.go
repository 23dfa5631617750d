package main

import (
	"sync"
	"time"
)

// A downtime knows when the server that the name leads to was not well. The
// zero downtime has never been: the name leads to the first server.
type downtime struct {
	mu    sync.Mutex // guards what follows
	name  int
	down  [2]bool // frozen, killed or stopped
	away  bool    // nobody asks
	spans []span  // when it was not well, in order; the last one may go on
}

// A span is a time. One that goes on has no end.
type span struct{ from, to time.Time }

// leads notes that the name leads to a server from now on.
func (d *downtime) leads(server int) { d.change(func() { d.name = server }) }

// fails notes that a server is down, or well again.
func (d *downtime) fails(server int, down bool) { d.change(func() { d.down[server] = down }) }

// rests notes that nobody asks, or that somebody does again.
func (d *downtime) rests(away bool) { d.change(func() { d.away = away }) }

func (d *downtime) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.isDown()
	f()
	switch now := time.Now(); {
	case !was && d.isDown():
		d.spans = append(d.spans, span{from: now})
	case was && !d.isDown():
		d.spans[len(d.spans)-1].to = now
	}
}

func (d *downtime) isDown() bool { return d.away || d.down[d.name] }

// longestUp returns the longest time without a break, within s, in which the
// server that the name led to was well.
func (d *downtime) longestUp(s span) (longest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	to := s.to
	for i := len(d.spans) - 1; i >= 0 && to.After(s.from); i-- {
		down := d.spans[i]
		if !down.from.Before(s.to) {
			continue
		}
		if down.to.IsZero() || down.to.After(s.to) {
			down.to = s.to
		}
		longest = max(longest, to.Sub(later(down.to, s.from)))
		to = down.from
	}
	return max(longest, to.Sub(s.from))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
