package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// spinTime is half of what a caller does with a connection.
const spinTime = 2500 * time.Nanosecond

// spin works for spinTime. It counts rounds and does not look at the clock, by
// which a caller who is interrupted would have worked meanwhile.
func spin() { turn(rounds()) }

// rounds is how many take spinTime. The quickest of several trials is the one
// that was not interrupted.
var rounds = sync.OnceValue(func() int {
	const tried = 10_000
	best := time.Duration(1 << 62)
	for range 100 {
		start := time.Now()
		turn(tried)
		best = min(best, time.Since(start))
	}
	return int(tried * spinTime / best)
})

var spun atomic.Uint64 // so that the rounds are not optimised away

// turn is one function for all, that it takes the same time wherever it is called.
//
//go:noinline
func turn(n int) {
	x := uint64(n)
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 { // never
		spun.Store(x)
	}
}
