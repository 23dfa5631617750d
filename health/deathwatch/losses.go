package deathwatch

import "time"

const (
	// lossMemory is for how long a loss counts, and mostLosses how many do.
	lossMemory = time.Minute
	mostLosses = 2
)

// noteLoss takes note of a probe of a shut window that the path has lost: of those
// the kernel makes one in a second at most, and a short budget holds so few that on
// a path that loses packets each of them may be lost.
func (d *detector) noteLoss(now time.Duration) {
	d.lost, d.lostAt = uint8(min(d.lostLately(now)+1, mostLosses)), int32(now/time.Second)
}

// lostLately is how many count at the time now.
func (d *detector) lostLately(now time.Duration) int32 {
	if now-time.Duration(d.lostAt)*time.Second > lossMemory {
		return 0
	}
	return int32(d.lost)
}

// lostOne reports whether a silence that has ended had a probe of the shut window in
// it that was lost. One that follows another too closely is in vain without that
// (tcp_invalid_ratelimit), as the first ones are, which come ever later up to the pace.
func (l Limits) lostOne(s sample, silence time.Duration) bool {
	return l.Pace > 0 && s.stalled() && silence > l.paceFor(s)*3/2
}
