package page_test

import (
	"math"
	"slices"
	"testing"

	"example.com/hale/internal/rigs/bench/page"
)

func TestAComparisonBeginsWithWhatRivalsDoBetter(t *testing.T) {
	t.Parallel()
	c := page.Comparison{Word: "quicker", Columns: []string{"1 caller", "2 callers"}}
	for _, test := range []struct {
		ratios [][]float64
		want   []string
	}{
		{[][]float64{{0.5, 2}, {0.9, 0.8}}, []string{
			"a is quicker than hale (0.500× of its time): 1 caller.",
			"b is quicker than hale in 2 of 2 columns, at most so with 2 callers (0.800×).",
			"Elsewhere there is 2.00× (a with 2 callers).",
		}},
		{[][]float64{{1.5, 2}, {0.99, 3}}, []string{
			"No rival is quicker than hale by more than 3 % in any column.",
			"Elsewhere the rivals need from 1.50× to 3.00× (b with 2 callers).",
		}},
		{[][]float64{{math.NaN(), 1}, {1, 1}}, []string{"No rival is quicker than hale by more than 3 % in any column."}},
	} {
		c.Rivals, c.Ratios = []string{"a", "b"}, test.ratios
		if got := c.Reading(); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
