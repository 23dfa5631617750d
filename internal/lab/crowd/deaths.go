package crowd

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/wait"
)

// Deaths notes when connections die.
type Deaths struct {
	suspects, dead atomic.Int64
	all            chan struct{} // closed after the last death

	mu sync.Mutex // guards at: hooks of different connections run concurrently
	at []time.Time
}

// NewDeaths is for n connections.
func NewDeaths(n int) *Deaths { return &Deaths{at: make([]time.Time, n), all: make(chan struct{})} }

// Observer is for their dialer.
func (d *Deaths) Observer() *hale.Observer {
	return &hale.Observer{
		Suspect: func(hale.SuspectInfo) { d.suspects.Add(1) },
		Dead: func(hale.DeadInfo) { // Done is closed
			d.mu.Lock()
			defer d.mu.Unlock()
			n := d.dead.Add(1)
			d.at[n-1] = time.Now()
			if n == int64(len(d.at)) {
				close(d.all)
			}
		},
	}
}

// SoFar counts the connections that were suspect, and those that are dead.
func (d *Deaths) SoFar() (suspects, dead int64) { return d.suspects.Load(), d.dead.Load() }

// Wait waits for the last death. It returns how long after start a part of the
// connections, 0 to 1, was dead.
func (d *Deaths) Wait(ctx context.Context, start time.Time) (after func(part float64) time.Duration, err error) {
	if err := wait.For(ctx, d.all); err != nil {
		return nil, fmt.Errorf("%d of %d deaths are known: %w", d.dead.Load(), len(d.at), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.SortFunc(d.at, time.Time.Compare)
	return func(part float64) time.Duration {
		return d.at[int(part*float64(len(d.at)-1))].Sub(start).Round(100 * time.Microsecond)
	}, nil
}
