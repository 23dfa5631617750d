// Package bubble knows a testing/synctest bubble from inside.
package bubble

import "time"

// Inside reports whether the calling goroutine is in a bubble. Its clock is a fake,
// whose times have no monotonic reading, and what is made in it must not be touched
// from outside, by the goroutine of the death watch for instance.
func Inside() bool {
	now := time.Now()
	return now == now.Round(0)
}
