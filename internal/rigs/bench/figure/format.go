package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number is x with three digits that count, and commas from a thousand on.
func Number(x float64) string {
	switch {
	case math.IsNaN(x):
		return "–"
	case math.IsInf(x, 0):
		return "∞"
	case x == 0:
		return "0"
	case math.Abs(x) >= 100:
		return group(strconv.FormatFloat(x, 'f', 0, 64))
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(x)))))
	return strconv.FormatFloat(x, 'f', min(digits, 4), 64)
}

// group puts commas between the thousands of a whole number.
func group(digits string) string {
	sign, digits, found := "", digits, strings.HasPrefix(digits, "-")
	if found {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// Count is a whole number with commas.
func Count(n int) string { return group(strconv.Itoa(n)) }

// Times is a ratio, as "1.34×", or "under 0.001×".
func Times(ratio float64) string {
	if ratio > 0 && ratio < 0.001 {
		return "under 0.001×"
	}
	return Number(ratio) + "×"
}

// Percent is a part of one as percents, as "3 %" or "2.5 %".
func Percent(part float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(100*part, 'f', 1, 64), ".0") + " %"
}

// Seconds is a duration in the unit that suits it, as "1.50 ms"; NaN is a dash.
func Seconds(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d.Abs() >= unit.of {
			return Number(float64(d)/float64(unit.of)) + " " + unit.name
		}
	}
	return Number(float64(d)) + " ns"
}

// Nanoseconds is Seconds of a number of nanoseconds that may be NaN.
func Nanoseconds(ns float64) string {
	if math.IsNaN(ns) {
		return "–"
	}
	return Seconds(time.Duration(ns))
}

// WithSpread is a median of nanoseconds and its spread, as "60.0 ns ±4 %".
func (s Sample) WithSpread() string {
	return fmt.Sprintf("%s ±%.0f %%", Nanoseconds(s.Median()), 100*s.Spread())
}

// AsRatio is the median of ratios and its spread, as "1.34× ±4 %".
func (s Sample) AsRatio() string {
	return fmt.Sprintf("%s ±%.0f %%", Times(s.Median()), 100*s.Spread())
}
