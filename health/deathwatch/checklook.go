package deathwatch

import (
	"errors"
	"io"

	"example.com/hale/health"
)

// lookByCheck is one look at a connection of whose state and times the kernel tells
// nothing, and what follows from it. It reports whether the watch is over.
func (c *Supervision) lookByCheck(s Subject) (over bool) {
	var fin *health.DeadError
	dead := s.Dead(func() (dead *health.DeadError) {
		switch {
		case !errors.As(health.Check(socketOnly{s}), &dead):
			return nil
		case dead.Cause == health.LocalClosed:
			return closedHere()
		case errors.Is(dead.Err, io.EOF):
			fin = dead
			return nil
		}
		dead.Op = "watch"
		return dead
	})
	if fin != nil {
		c.closedByPeer(s, fin)
	}
	return dead != nil
}

// socketOnly is a Subject as a connection that keeps no verdict of its own:
// [health.Check] is to look.
type socketOnly struct{ rawSocket }
