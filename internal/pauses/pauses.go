// Package pauses has the pauses between attempts to reconnect that a pool makes
// unless it is told others, for what simulates many of them, too.
package pauses

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Default is an exponential backoff from 50 ms to 15 s with a jitter of one half,
// that never says Stop.
func Default() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(15*time.Second),
		backoff.WithRandomizationFactor(0.5),
		backoff.WithMaxElapsedTime(0), // the default gives up after a quarter of an hour
	)
}
