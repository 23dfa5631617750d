package promise

import (
	"sync"
	"testing"
	"time"
)

const (
	// stillTick is how often a stillness looks at the clock, and stillLeast what
	// is too late for it. The watch of a hale.Conn takes less than a second
	// for noise, and begins to count a silence anew after more.
	stillTick  = 20 * time.Millisecond
	stillLeast = 300 * time.Millisecond
)

// A stillness knows when this process did not get to run.
type stillness struct {
	mu   sync.Mutex // guards the rest
	at   []time.Time
	lost time.Duration
}

// watchStillness looks until the test ends.
func watchStillness(t *testing.T) *stillness {
	s := new(stillness)
	tick := time.NewTicker(stillTick)
	done := make(chan struct{})
	t.Cleanup(func() { tick.Stop(); close(done) })
	go func() {
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-tick.C:
				s.note(time.Since(last))
			case <-done:
				return
			}
		}
	}()
	return s
}

func (s *stillness) note(since time.Duration) {
	if since < stillLeast {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.lost = append(s.at, time.Now()), s.lost+since
}

// since reports whether the process stood still after t.
func (s *stillness) since(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at) > 0 && s.at[len(s.at)-1].After(t)
}
