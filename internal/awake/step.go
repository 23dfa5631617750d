package awake

import "time"

// slack is how late a step may come without a standstill; a quarter of the step
// is added.
const slack = 100 * time.Millisecond

// shortest is the least length of a step.
const shortest = time.Millisecond

// clock is [time.Now], but for tests.
type clock func() time.Time

// step is a stretch of time that a timer ends.
type step struct {
	now     clock
	began   time.Time
	planned time.Duration
}

func (now clock) step(planned time.Duration) step { return step{now, now(), planned} }

// reckon divides the time since the step began, whether it is over or not.
// Nobody knows when in the step a standstill began: half of it counts as awake.
func (s step) reckon() (awake, missed time.Duration) {
	passed := s.now().Sub(s.began)
	if late := passed - s.planned; late > slack+s.planned/4 {
		return s.planned / 2, late
	}
	return passed, 0
}
