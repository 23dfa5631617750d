package sockopt_test

import (
	"testing"
	"time"

	"example.com/hale/sockopt"
)

// Measured on Linux 6.18 with a peer that vanished, the kernel gave up one pace
// after the last asking.
func TestThePaceIsTheLeastWithWhichTheKernelAsksUntilThePromise(t *testing.T) {
	const none = -1
	promises := []time.Duration{3 * sec, 5 * sec, 10 * sec, 30 * sec, 60 * sec}
	for retries2, want := range map[int][]time.Duration{
		15: {1000 * ms, 1000 * ms, 1000 * ms, 2500 * ms, 5400 * ms},
		8:  {1000 * ms, 1000 * ms, 1800 * ms, 8700 * ms, none},
		5:  {1000 * ms, 2000 * ms, none, none, none},
		1:  {none, none, none, none, none},
	} {
		for i, promise := range promises {
			if got := sockopt.PaceFor(promise, retries2); got != want[i] {
				t.Errorf("%d retries, %v: %v, want %v", retries2, promise, got, want[i])
			}
		}
	}
	for _, promise := range []time.Duration{0, -1, sockopt.Never, 2 * time.Hour} {
		if got := sockopt.PaceFor(promise, 15); got != none {
			t.Errorf("%v: %v", promise, got)
		}
	}
}

func TestThePaceKeepsTheLargestOfAllPromises(t *testing.T) {
	for _, test := range []struct {
		k    sockopt.KeepAlive
		want time.Duration
	}{
		{sockopt.KeepAlive{}, 2500 * ms},
		{sockopt.Within(10 * sec), sec},
		{sockopt.KeepAlive{Within: 60 * sec}, 5400 * ms},
		{sockopt.KeepAlive{Within: 60 * sec, UserTimeout: 2 * time.Hour}, 5400 * ms},
		{sockopt.KeepAlive{Idle: 20 * sec, Interval: 10 * sec, Count: 4}, 5400 * ms},
		{sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 1, UserTimeout: 60 * sec}, 5400 * ms},
		{sockopt.KeepAlive{Idle: 20 * sec, Interval: 10 * sec, Count: 4, UserTimeout: sec}, 5400 * ms},
		{sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 1, StallTimeout: time.Hour}, sec},
		{sockopt.KeepAlive{Disabled: true, UserTimeout: 60 * sec}, 5400 * ms},
		{sockopt.KeepAlive{Disabled: true}, -1},
		{sockopt.KeepAlive{UserTimeout: -1}, -1},
		{sockopt.KeepAlive{Pace: -1}, -1},
		{sockopt.KeepAlive{Pace: 7 * sec}, 7 * sec},
	} {
		plan := mustPlan(t, on("linux"), test.k)
		if plan.Asked.Pace != test.want || plan.Effective.Pace != test.want {
			t.Errorf("%v: asked %v, effective %v, want %v", test.k, plan.Asked.Pace, plan.Effective.Pace, test.want)
		}
		for _, o := range plan.Ops {
			if pace := o.Field == sockopt.FieldPace; o.Optional != (pace && test.k.Pace == 0) {
				t.Errorf("%v: %v, optional %v", test.k, o, o.Optional)
			}
		}
	}
}
