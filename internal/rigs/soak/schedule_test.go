package main

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

const (
	testWithin = 3 * time.Second
	testTotal  = 10 * time.Minute
)

func TestTheFaultsAreAFunctionOfTheSeed(t *testing.T) {
	t.Parallel()
	one := plan(7, testTotal, testWithin)
	if again := plan(7, testTotal, testWithin); !reflect.DeepEqual(one, again) {
		t.Error("the same seed gives other faults")
	}
	if other := plan(8, testTotal, testWithin); reflect.DeepEqual(one, other) {
		t.Error("another seed gives the same faults")
	}
	longer := plan(7, 2*testTotal, testWithin)
	if whole := len(one) - 1; !reflect.DeepEqual(one[:whole], longer[:whole]) {
		t.Error("a longer run begins with other faults")
	}
}

func TestARoundHasEveryKindOnce(t *testing.T) {
	t.Parallel()
	rounds := plan(1, testTotal, testWithin)
	if len(rounds) < 10 {
		t.Fatalf("%d rounds", len(rounds))
	}
	for i, r := range rounds[:len(rounds)-1] {
		var got []kind
		for _, f := range r.faults {
			got = append(got, f.kind)
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(kinds)); !slices.Equal(got, want) {
			t.Errorf("round %d: %v", i, got)
		}
	}
}

func TestFaultsAreBoundedAndLeaveAServerAloneInBetween(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		var free [2]time.Duration
		name, last := 0, time.Duration(0)
		for i, r := range plan(seed, testTotal, testWithin) {
			if r.start < last+2*calm && i > 0 {
				t.Errorf("seed %d: a round starts at %v, the one before ended at %v", seed, r.start, last)
			}
			for _, f := range r.faults {
				if f.start < r.start || f.end < f.start || f.end > r.end || f.end > testTotal-calm || f.end-f.start > 3*testWithin {
					t.Errorf("seed %d, round %v to %v: %+v", seed, r.start, r.end, f)
				}
				if f.kind == move {
					if name = 1 - name; f.server != name {
						t.Errorf("seed %d: %v, where the name leads already", seed, f)
					}
					continue
				}
				if f.start < free[f.server] {
					t.Errorf("seed %d: %v at %v, the server is well from %v on", seed, f, f.start, free[f.server])
				}
				free[f.server] = f.end + recovery
			}
			last = r.end
		}
	}
}

func TestAllKindsComeWithinHalfAMinuteMostly(t *testing.T) {
	t.Parallel()
	complete := 0
	for seed := range uint64(100) {
		if r := plan(seed, 30*time.Second, testWithin); len(r[0].faults) == len(kinds) {
			complete++
		}
	}
	if complete < 80 {
		t.Errorf("%d of 100 seeds", complete)
	}
}
