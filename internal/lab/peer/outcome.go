package peer

import (
	"errors"
	"net"
	"time"

	"example.com/hale/health"
)

// An Outcome is how a Read ended.
type Outcome struct {
	At    time.Time
	After time.Duration // from what happened to the peer
	Err   error         // nil if nothing was noticed until we stopped watching
	Next  error         // of the Read after that
}

// Noticed reports whether the Read failed by itself.
func (o Outcome) Noticed() bool { return o.Err != nil }

// Cause names why, and is empty if nothing was noticed.
func (o Outcome) Cause() string {
	if !o.Noticed() {
		return ""
	}
	return health.Classify(o.Err).String()
}

// Errno is the symbol of the error number, and empty if there is none.
func (o Outcome) Errno() string { return errnoName(o.Err) }

// Timeout is what code sees that asks for the wrong thing.
func (o Outcome) Timeout() bool {
	ne, ok := errors.AsType[net.Error](o.Err)
	return ok && ne.Timeout()
}
