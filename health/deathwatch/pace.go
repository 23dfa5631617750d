package deathwatch

import "time"

// paceFor is the one that the connection needs: that of the promise, but not so short
// that a segment is sent again before it can be answered; and while the peer takes
// nothing, short enough for a verdict within the silence, but not for the kernel's
// own. Whole seconds are enough.
func (l Limits) paceFor(s sample) time.Duration {
	pace := l.Pace
	if s.stalled() && l.Silence > 0 {
		pace = min(pace, max(l.Silence/l.windowProbes(), time.Second))
	}
	if least := (2*s.answerTime() + time.Second - 1).Truncate(time.Second); pace < least {
		return least
	}
	return pace
}

// windowProbes is how many are wanted within the silence.
func (l Limits) windowProbes() time.Duration {
	const wanted = fewestAskings + 2
	if l.Retries > 0 {
		return time.Duration(min(wanted, int(l.Retries)))
	}
	return wanted
}
