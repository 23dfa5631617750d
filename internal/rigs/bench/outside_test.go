package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestOutsideOfATestThereIsCleaningUpAndFailing(t *testing.T) {
	t.Parallel()
	var calls []string
	err := Outside(func(tb testing.TB) {
		tb.Cleanup(func() { calls = append(calls, "first"); tb.Errorf("late %d", 1) })
		tb.Cleanup(func() { calls = append(calls, "second"); tb.Fatal("so what") })
		tb.Fatalf("no %s", "more")
		calls = append(calls, "unreachable")
	})
	if !slices.Equal(calls, []string{"second", "first"}) {
		t.Errorf("%q", calls)
	}
	if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), []string{"no more", "so what", "late 1"}) {
		t.Errorf("%v", err)
	}
	if err := Outside(func(testing.TB) {}); err != nil {
		t.Error(err)
	}
}
