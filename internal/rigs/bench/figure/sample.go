// Package figure is the arithmetic of the benchmarks: medians with their spread,
// ratios, and runs that take turns so that a busy moment meets all of them.
package figure

import (
	"math"
	"slices"
)

// A Sample is what several runs of one measurement gave.
type Sample []float64

// Median is the middle of the sample: of an even number the mean of the middle
// two, of none NaN.
func (s Sample) Median() float64 { return s.Quantile(0.5) }

// Quantile is the value that a part of the sample, 0 to 1, does not exceed,
// interpolated between neighbours. Of an empty sample it is NaN.
func (s Sample) Quantile(part float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := min(max(part, 0), 1) * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Max is the largest value; of an empty sample it is NaN.
func (s Sample) Max() float64 { return s.Quantile(1) }

// Spread is half of the distance between the quartiles, as a part of the median;
// zero if the median is.
func (s Sample) Spread() float64 {
	median := s.Median()
	if median == 0 {
		return 0
	}
	return math.Abs((s.Quantile(0.75) - s.Quantile(0.25)) / 2 / median)
}

// Ratios are the values of s divided by those of base in the same round. Both
// have the same length.
func (s Sample) Ratios(base Sample) Sample {
	ratios := make(Sample, len(s))
	for i := range s {
		ratios[i] = s[i] / base[i]
	}
	return ratios
}

// Interval holds the median of what the sample is of in some 95 of 100 cases, whatever
// the distribution: between the values so many places from each end that as many heads
// of n coins are rare. Of fewer than six values it is all of them.
func (s Sample) Interval() (low, high float64) {
	n := float64(len(s))
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := max(0, int((n+1)/2-0.98*math.Sqrt(n))-1)
	return sorted[at], sorted[len(sorted)-1-at]
}
