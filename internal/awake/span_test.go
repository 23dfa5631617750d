package awake

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestASpanOfAProcessThatIsAwakeMissesNothing(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-1, 0, time.Millisecond, time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := Begin(d)
			time.Sleep(max(3*d/2, time.Second))
			if missed := s.Stop(); missed != 0 {
				t.Errorf("%v: %v", d, missed)
			}
		})
	}
}

func TestASpanTellsEveryStandstill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var clock standing
		s := begin(32*time.Second, clock.now) // so in steps of a second
		clock.still(350 * time.Millisecond)   // less than the slack
		time.Sleep(1500 * time.Millisecond)
		clock.still(3 * time.Second)
		time.Sleep(time.Second)
		clock.still(time.Minute)
		// What was left of the step under way, half a second, is not told.
		if missed := s.Stop(); missed != 63*time.Second-500*time.Millisecond {
			t.Error(missed)
		}
		clock.still(time.Hour)
		time.Sleep(time.Hour)
		if missed := s.Stop(); missed != 63*time.Second-500*time.Millisecond {
			t.Error("later:", missed)
		}
	})
}

func TestMuchIsMoreThanAnEighthAndThanATenthOfASecond(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		missed, d time.Duration
		want      bool
	}{
		{0, 0, false},
		{100 * time.Millisecond, time.Millisecond, false},
		{101 * time.Millisecond, time.Millisecond, true},
		{time.Second, 8 * time.Second, false},
		{time.Second + 1, 8 * time.Second, true},
	} {
		if Much(test.missed, test.d) != test.want {
			t.Errorf("%v of %v", test.missed, test.d)
		}
	}
}
