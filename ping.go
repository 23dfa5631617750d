package hale

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// Ping asks the kernel at the other end whether it is there, for any protocol
// and without a byte of the application's, and returns how long the answer
// took; see [deathwatch.Ping]. It may be called by several goroutines at once,
// and while the connection is used.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := c.Err(); err != nil {
		return 0, err
	}
	s := c.supervision.Load()
	if s == nil {
		return 0, cmp.Or(c.Unwatched(), errors.ErrUnsupported)
	}
	took, err := s.Ping(ctx)
	if dead := c.verdict.final(); err != nil && dead != nil {
		return 0, dead
	}
	return took, err
}
