package main

import (
	"context"
	"errors"
	"os"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// The causes that package health does not have.
const (
	causeUnexplained   = "unexplained"
	causeWrongReply    = "wrong_reply"
	causeUnavailable   = "unavailable"    // the pool could not reach the name's server
	causeDeadline      = "deadline"       // the server did not answer, or no connection came free
	causeShortDeadline = "short_deadline" // of a request that was given milliseconds
)

// cause names why a request failed.
func cause(err error, impatient bool) string {
	_, isWrong := errors.AsType[*wrongFrame](err)
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	switch c := health.Classify(err); {
	case isWrong:
		return causeWrongReply
	case late && impatient:
		return causeShortDeadline
	case errors.Is(err, pool.ErrUnavailable):
		return causeUnavailable
	case c != health.Unknown:
		return c.String()
	case late:
		return causeDeadline
	}
	return causeUnexplained
}
