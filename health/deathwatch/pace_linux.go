//go:build linux && !hale_sweep

package deathwatch

import (
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// rtoMax is TCP_RTO_MAX_MS, since Linux 6.15: the longest pause between two
// retransmissions, and between two probes of a shut window.
const rtoMax = 44

// longestPace is the kernel's TCP_RTO_MAX.
const longestPace = 2 * time.Minute

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

// keepPace sets the pace that the connection needs now, unless it has it.
func (c *Supervision) keepPace(socket syscall.RawConn, s sample) {
	if c.limits.Pace == 0 || s.rtt == 0 {
		return
	}
	pace, held := c.limits.paceFor(s).Milliseconds(), int64(c.pace)
	if held == 0 {
		held = c.limits.Pace.Milliseconds()
	}
	if pace = min(pace, longestPace.Milliseconds()); pace == held {
		return
	}
	c.pace = int32(pace)
	_ = rawconn.Control(socket, func(fd uintptr) error {
		return setOption(fd, rtoMax, c.pace)
	})
}
