// Package bubble knows a testing/synctest bubble from inside.
package bubble

import (
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Possible reports whether this program may have bubbles: go test has built it, or it
// does not say who has.
var Possible = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return !ok || strings.HasSuffix(info.Path, ".test")
})

// Inside reports whether the calling goroutine is in a bubble. Its clock is a fake,
// whose times have no monotonic reading, and what is made in it must not be touched
// from outside, by the goroutine of the death watch for instance.
func Inside() bool {
	now := time.Now()
	return now == now.Round(0)
}
