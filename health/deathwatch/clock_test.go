package deathwatch

import (
	"testing"
	"time"
)

func TestTheClockTellsASleepFromDrift(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		ahead []time.Duration // of the wall clock, at one look after another
		want  []bool
	}{
		{"nothing", []time.Duration{0, 0, 0}, []bool{false, false, false}},
		{"a clock that is slewed", []time.Duration{1900 * time.Millisecond, 3800 * time.Millisecond, 5700 * time.Millisecond}, []bool{false, false, false}},
		{"just not", []time.Duration{jump}, []bool{false}},
		{"a sleep, told once", []time.Duration{time.Hour, time.Hour, time.Hour}, []bool{true, false, false}},
		{"two sleeps", []time.Duration{3 * time.Second, 6 * time.Second}, []bool{true, true}},
		{"a clock set back", []time.Duration{-3 * time.Second, -3 * time.Second, 0}, []bool{true, false, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c clock
			for i, ahead := range test.ahead {
				if got := c.moved(ahead); got != test.want[i] {
					t.Errorf("look %d, %v ahead: %v", i, ahead, got)
				}
			}
		})
	}
}

func TestTheClockGoesByBothOfItsKinds(t *testing.T) {
	t.Parallel()
	c := clock{start: time.Now()}
	if c.jumped(c.start.Add(time.Hour)) {
		t.Error("an hour that passed on both is a jump")
	}
	c.skew.Store(int64(time.Minute))
	if !c.jumped(time.Now()) || c.jumped(time.Now()) {
		t.Error("a minute that passed on the wall alone is not told, or told twice")
	}
	if d := c.since(c.time(time.Second)); d != time.Second {
		t.Errorf("there and back again: %v", d)
	}
	if d := c.plus(never); d != never {
		t.Errorf("never is at %v", d)
	}
	if d := c.plus(time.Hour); d < time.Hour || d > 2*time.Hour {
		t.Errorf("an hour from the start is at %v", d)
	}
}
