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

// readPace finds out what the socket holds, which others may have set.
func (c *Supervision) readPace(socket syscall.RawConn) {
	_ = rawconn.Control(socket, func(fd uintptr) error {
		c.pace = getOption(fd, rtoMax)
		return nil
	})
}
