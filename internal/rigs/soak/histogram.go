package main

import (
	"math/bits"
	"time"
)

// fineness is how many buckets a histogram has for each power of two.
const fineness = 32

// A histogram counts durations, each to within a thirtieth. It is always of the
// same size. The zero histogram is empty.
type histogram struct {
	count   int
	longest time.Duration
	buckets [64 * fineness]int
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.longest = max(h.longest, d)
	h.buckets[bucket(d)]++
}

func bucket(d time.Duration) int {
	n := uint64(max(d, 0)) + fineness
	power := bits.Len64(n) - bits.Len64(fineness) // n>>power is fineness to 2*fineness-1
	return power*fineness + int(n>>power) - fineness
}

// most is the longest duration in a bucket.
func most(bucket int) time.Duration {
	power, rest := bucket/fineness, uint64(bucket%fineness)
	return time.Duration((rest+fineness+1)<<power - 1 - fineness)
}

// quantile returns a duration that the part q of all is not longer than, or 0
// if there is none.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(q * float64(h.count))
	for i, n := range h.buckets {
		left -= n
		if left < 0 || left == 0 && n > 0 {
			return min(most(i), h.longest)
		}
	}
	return h.longest
}
