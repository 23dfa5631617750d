package deathwatch

import (
	"sync/atomic"
	"time"
)

// never is a time that does not come.
const never time.Duration = 1<<63 - 1

// clock counts time from a start, and notices when the machine slept: the wall
// clock goes on then, and the monotonic clock does not (on Linux,
// CLOCK_MONOTONIC of clock_gettime(2)). A clock that was set looks the same.
type clock struct {
	start time.Time
	ahead time.Duration // of the wall over the monotonic clock, at the last look
	skew  atomic.Int64  // nanoseconds that tests put on the wall clock
}

// jump is the least difference that counts. What keeps a clock in step (NTP)
// stays well below it.
const jump = 2 * time.Second

func (c *clock) since(now time.Time) time.Duration  { return now.Sub(c.start) }
func (c *clock) time(since time.Duration) time.Time { return c.start.Add(since) }

// plus returns the time d from now.
func (c *clock) plus(d time.Duration) time.Duration {
	if d == never {
		return never
	}
	return c.since(time.Now()) + d
}

// jumped reports whether the machine slept, or its clock was set, since it was
// last asked.
func (c *clock) jumped(now time.Time) bool {
	wall := now.Round(0).Sub(c.start.Round(0)) + time.Duration(c.skew.Load())
	return c.moved(wall - c.since(now))
}

func (c *clock) moved(ahead time.Duration) bool {
	by := ahead - c.ahead
	c.ahead = ahead
	return by > jump || by < -jump
}
