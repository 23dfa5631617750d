package deathwatch

import "time"

const (
	// lossMemory is for how long a loss counts, and mostLosses how many do.
	lossMemory = time.Minute
	mostLosses = 2
)

// losses are the probes of a shut window that the path has lost of late: of those
// the kernel makes one in a second at most, and a short budget holds so few that on
// a path that loses packets each of them may be lost.
type losses struct {
	n  int32
	at time.Duration // when the last was found out
}

func (lost *losses) note(now time.Duration) {
	*lost = losses{min(lost.lately(now)+1, mostLosses), now}
}

// lately is how many count at the time now.
func (lost losses) lately(now time.Duration) int32 {
	if now-lost.at > lossMemory {
		return 0
	}
	return lost.n
}

// lostOne reports whether a silence that has ended had a probe of the shut window in
// it that was lost. One that follows another too closely is in vain without that
// (tcp_invalid_ratelimit), as the first ones are, which come ever later up to the pace.
func (l Limits) lostOne(s sample, silence time.Duration) bool {
	return l.Pace > 0 && s.stalled() && silence > l.paceFor(s)*3/2
}
