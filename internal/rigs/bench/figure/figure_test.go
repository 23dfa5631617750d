package figure_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
)

func TestQuantilesAreInterpolated(t *testing.T) {
	t.Parallel()
	s := figure.Sample{40, 10, 30, 20}
	for part, want := range map[float64]float64{-1: 10, 0: 10, 0.5: 25, 0.25: 17.5, 1: 40, 2: 40} {
		if got := s.Quantile(part); got != want {
			t.Errorf("quantile %v is %v, not %v", part, got, want)
		}
	}
	if !slices.Equal(s, figure.Sample{40, 10, 30, 20}) {
		t.Error("the sample was sorted")
	}
	if got := (figure.Sample{}).Median(); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
	if got := (figure.Sample{7}).Quantile(0.99); got != 7 {
		t.Errorf("of one value: %v", got)
	}
}

func TestTheSpreadIsHalfOfTheQuartiles(t *testing.T) {
	t.Parallel()
	if got := (figure.Sample{80, 90, 100, 110, 120}).Spread(); got != 0.1 {
		t.Errorf("%v", got)
	}
	if got := (figure.Sample{0, 0}).Spread(); got != 0 {
		t.Errorf("of zeros: %v", got)
	}
}

func TestTheIntervalHoldsTheMedianNearlyAlways(t *testing.T) {
	t.Parallel()
	for _, n := range []int{21, 75} { // as there are rounds of the wrapper
		missed := 0
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range 2000 {
			s := make(figure.Sample, n)
			for i := range s {
				s[i] = r.ExpFloat64()
			}
			if low, high := s.Interval(); low > math.Ln2 || high < math.Ln2 {
				missed++
			}
		}
		if missed < 20 || missed > 130 {
			t.Errorf("of %d values: %d of 2000 intervals miss it", n, missed)
		}
	}
	if low, high := (figure.Sample{3, 1, 2}).Interval(); low != 1 || high != 3 {
		t.Errorf("of three: %v to %v", low, high)
	}
	if low, high := (figure.Sample{}).Interval(); !math.IsNaN(low) || !math.IsNaN(high) {
		t.Errorf("of none: %v to %v", low, high)
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	got := figure.Sample{10, 40}.Ratios(figure.Sample{5, 10})
	if !slices.Equal(got, figure.Sample{2, 4}) {
		t.Errorf("%v", got)
	}
}

func TestRunsTakeTurns(t *testing.T) {
	t.Parallel()
	calls := 0
	run := func() (float64, error) { calls++; return float64((calls - 1) / 3), nil }
	samples, err := figure.Turns(5, run, run, run)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range samples { // each has had one turn in each round
		if !slices.Equal(s, figure.Sample{0, 1, 2, 3, 4}) {
			t.Errorf("run %d: %v", i, s)
		}
	}
	failed := errors.New("no")
	if _, err := figure.Turns(1, func() (float64, error) { return 0, failed }); err != failed {
		t.Errorf("%v", err)
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", 1: "1.00", 12.345: "12.3", 123.4: "123", 1234567: "1,234,567", -1234: "-1,234",
		0.01234: "0.0123", math.Inf(1): "∞",
	} {
		if got := figure.Number(x); got != want {
			t.Errorf("%v: %s, not %s", x, got, want)
		}
	}
	if got := figure.Number(math.NaN()); got != "–" {
		t.Error(got)
	}
	for d, want := range map[time.Duration]string{
		60: "60.0 ns", 1500: "1.50 µs", 25 * time.Millisecond: "25.0 ms", 90 * time.Second: "90.0 s", 0: "0 ns",
	} {
		if got := figure.Seconds(d); got != want {
			t.Errorf("%v: %s, not %s", int64(d), got, want)
		}
	}
	if got := (figure.Sample{80, 90, 100, 110, 120}).WithSpread(); got != "100 ns ±10 %" {
		t.Error(got)
	}
	for ratio, want := range map[float64]string{1.34: "1.34×", 0.0001: "under 0.001×", 0: "0×"} {
		if got := figure.Times(ratio); got != want {
			t.Errorf("%v: %s, not %s", ratio, got, want)
		}
	}
	for part, want := range map[float64]string{0.03: "3 %", 0.025: "2.5 %", -0.5: "-50 %", 8: "800 %"} {
		if got := figure.Percent(part); got != want {
			t.Errorf("%v: %s, not %s", part, got, want)
		}
	}
	if got := (figure.Sample{1, 1, 1}).AsRatio(); got != "1.00× ±0 %" {
		t.Error(got)
	}
}
