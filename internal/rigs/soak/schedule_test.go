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

func planned(seed uint64, total time.Duration) []round {
	return plan(options{seed: seed, total: total, within: testWithin, kinds: kinds})
}

func TestTheFaultsAreAFunctionOfTheSeed(t *testing.T) {
	t.Parallel()
	one := planned(7, testTotal)
	if again := planned(7, testTotal); !reflect.DeepEqual(one, again) {
		t.Error("the same seed gives other faults")
	}
	if other := planned(8, testTotal); reflect.DeepEqual(one, other) {
		t.Error("another seed gives the same faults")
	}
	longer := planned(7, 2*testTotal)
	if whole := len(one) - 1; !reflect.DeepEqual(one[:whole], longer[:whole]) {
		t.Error("a longer run begins with other faults")
	}
}

func TestARoundHasEveryKindOnce(t *testing.T) {
	t.Parallel()
	rounds := planned(1, testTotal)
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

func TestARoundHasOnlyTheFaultsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	for i, r := range plan(options{seed: 1, total: time.Minute, within: testWithin, kinds: []kind{full}}) {
		if len(r.faults) != 1 || r.faults[0].kind != full {
			t.Errorf("round %d: %v", i, r.faults)
		}
	}
}

func TestFaultsAreBoundedAndLeaveAServerAloneInBetween(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		var free [2]time.Duration
		name, last, still := 0, time.Duration(0), time.Duration(0)
		for i, r := range planned(seed, testTotal) {
			if r.start < last+2*calm && i > 0 {
				t.Errorf("seed %d: a round starts at %v, the one before ended at %v", seed, r.start, last)
			}
			for _, f := range r.faults {
				if f.start < r.start || f.end < f.start || f.end > r.end || f.end > testTotal-calm || f.end-f.start > 3*testWithin {
					t.Errorf("seed %d, round %v to %v: %+v", seed, r.start, r.end, f)
				}
				switch f.kind {
				case move:
					if name = 1 - name; f.server != name {
						t.Errorf("seed %d: %v, where the name leads already", seed, f)
					}
					continue
				case standstill: // whatever goes on, and nothing begins meanwhile
					still = f.end
					free[0], free[1] = max(free[0], f.end+recovery), max(free[1], f.end+recovery)
					continue
				case earlyClose, full, unasked:
					if f.server != name {
						t.Errorf("seed %d: %v, which nobody asks", seed, f)
					}
				}
				if f.start < still {
					t.Errorf("seed %d: %v at %v, in a standstill until %v", seed, f, f.start, still)
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

func TestAllKindsComeWithinAMinuteMostly(t *testing.T) {
	t.Parallel()
	complete := 0
	for seed := range uint64(100) {
		if r := planned(seed, time.Minute); len(r[0].faults) == len(kinds) {
			complete++
		}
	}
	if complete < 80 {
		t.Errorf("%d of 100 seeds", complete)
	}
}
