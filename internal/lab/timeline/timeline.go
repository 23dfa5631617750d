// Package timeline prints what happens when it happens.
package timeline

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A Timeline prints what happens when it happens, in seconds since the first
// event.
type Timeline struct {
	Out io.Writer

	mu    sync.Mutex // guards start and the order of the lines
	start time.Time
}

// Print prints a line about what happened at the time at.
func (t *Timeline) Print(at time.Time, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start.IsZero() {
		t.start = at
	}
	fmt.Fprintf(t.Out, "[%06.3f] %s\n", at.Sub(t.start).Seconds(), fmt.Sprintf(format, args...))
}
