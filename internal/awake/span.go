package awake

import (
	"sync"
	"time"
)

// A Span finds out how long this process stands still between its begin and
// its end. Its methods may be called by several goroutines at once.
type Span struct {
	length time.Duration // of a step

	mu      sync.Mutex // guards what follows
	missed  time.Duration
	under   step // way
	timer   *time.Timer
	stopped bool
}

// spanSteps is into how many steps the time is cut that a Span is for.
const spanSteps = 32

// Begin begins a Span for something that takes up to d, which decides how exact
// it is: to a thirty-second of d, but never better than a millisecond. It runs
// on after d, and holds a timer until Stop.
func Begin(d time.Duration) *Span { return begin(d, time.Now) }

func begin(d time.Duration, now clock) *Span {
	s := &Span{length: max(d/spanSteps, shortest)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under = now.step(s.length)
	s.timer = time.AfterFunc(s.length, s.tick)
	return s
}

func (s *Span) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.reckon()
		s.timer.Reset(s.length)
	}
}

// reckon begins a step, in place of the one under way. The caller holds s.mu.
func (s *Span) reckon() {
	_, missed := s.under.reckon()
	s.missed += missed
	s.under = s.under.now.step(s.length)
}

// Stop ends the Span and returns how long the process stood still in it:
// rather less than more, by up to a step for each time. Every later call returns
// the same.
func (s *Span) Stop() (missed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.reckon()
		s.stopped = true
		s.timer.Stop()
	}
	return s.missed
}

// Much reports whether a standstill that long may be why something that had d
// was not done in time: more than an eighth of d, and of a tenth of a second.
func Much(missed, d time.Duration) bool { return missed > max(slack, d/8) }
