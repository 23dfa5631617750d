package sockopt_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"example.com/hale/sockopt"
)

func TestWithinDerivesTheDocumentedValues(t *testing.T) {
	for _, test := range []struct {
		d              time.Duration
		idle, interval time.Duration
		count          int
		userTimeout    time.Duration
	}{
		{2 * time.Second, 1 * time.Second, 1 * time.Second, 1, 2 * time.Second},
		{2750 * time.Millisecond, 1 * time.Second, 1 * time.Second, 1, 2 * time.Second},
		{3 * time.Second, 1 * time.Second, 1 * time.Second, 1, 2 * time.Second},
		{5*time.Second - 1, 1 * time.Second, 1 * time.Second, 2, 3 * time.Second},
		{5 * time.Second, 2 * time.Second, 1 * time.Second, 2, 4 * time.Second},
		{10 * time.Second, 4 * time.Second, 1 * time.Second, 3, 7 * time.Second},
		{30 * time.Second, 13 * time.Second, 4 * time.Second, 3, 25 * time.Second},
		{5 * time.Minute, 60 * time.Second, 60 * time.Second, 3, 240 * time.Second},
		{time.Hour, 60 * time.Second, 60 * time.Second, 52, 3180 * time.Second},
		{math.MaxInt64, 60 * time.Second, 60 * time.Second, 127, 7680 * time.Second},
	} {
		want := sockopt.KeepAlive{Within: test.d, Idle: test.idle, Interval: test.interval, Count: test.count, UserTimeout: test.userTimeout}
		if got := sockopt.Within(test.d); got != want {
			t.Errorf("Within(%v) = %v, want %v", test.d, got, want)
		}
	}
}

func TestWithinTooShortIsRefusedByThePlanAndNamesTheTime(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{1500 * time.Millisecond, "sockopt: Within(1.5s): below 2s, the shortest in which a peer can be asked twice"},
		{2*time.Second - 1, "sockopt: Within(1.999999999s): below 2s, the shortest in which a peer can be asked twice"},
		{0, "sockopt: Within(0s): below 2s, the shortest in which a peer can be asked twice"},
		{-3 * time.Second, "sockopt: Within(-3s): below 2s, the shortest in which a peer can be asked twice"},
		{math.MinInt64, "sockopt: Within(-9223372036.854776s): below 2s, the shortest in which a peer can be asked twice"},
	} {
		k := sockopt.Within(test.d)
		k.Idle = time.Second // filling it in afterwards does not hide the mistake
		_, err := sockopt.Platform{GOOS: "openbsd"}.Plan(k)
		if re, ok := errors.AsType[*sockopt.RangeError](err); !ok || re.Field != "Within" || err.Error() != test.want {
			t.Errorf("Within(%v): %v, want %s", test.d, err, test.want)
		}
		if earliest, latest := k.Window(); earliest != 0 || latest != 0 {
			t.Errorf("Within(%v): window %v to %v, want none", test.d, earliest, latest)
		}
	}
}

func TestWindowIsBetweenTheProbesAloneAndIdlePlusProbes(t *testing.T) {
	for _, test := range []struct {
		name             string
		k                sockopt.KeepAlive
		earliest, latest time.Duration
	}{
		{"first experiment", sockopt.KeepAlive{Idle: time.Second, Interval: 3 * time.Second, Count: 10}, 30 * time.Second, 31 * time.Second},
		{"second experiment", sockopt.KeepAlive{Idle: 20 * time.Second, Interval: 50 * time.Second, Count: 1}, 50 * time.Second, 70 * time.Second},
		{"zero value", sockopt.KeepAlive{}, 12 * time.Second, 25 * time.Second},
		{"zero interval", sockopt.KeepAlive{Idle: time.Second, Count: 2}, 8 * time.Second, 9 * time.Second},
		{"user timeout is not heeded", sockopt.KeepAlive{UserTimeout: time.Second}, 12 * time.Second, 25 * time.Second},
		{"disabled", sockopt.KeepAlive{Disabled: true, Idle: time.Second}, sockopt.Never, sockopt.Never},
		{"left alone", sockopt.KeepAlive{Interval: -1}, 0, 0},
		{"negative", sockopt.KeepAlive{Count: -7}, 0, 0},
		{"beyond 292 years", sockopt.KeepAlive{Interval: math.MaxInt64, Count: math.MaxInt32}, sockopt.Never, sockopt.Never},
		{"sum beyond 292 years", sockopt.KeepAlive{Idle: math.MaxInt64, Interval: 1, Count: 1}, 1, sockopt.Never},
	} {
		if earliest, latest := test.k.Window(); earliest != test.earliest || latest != test.latest {
			t.Errorf("%s: %v to %v, want %v to %v", test.name, earliest, latest, test.earliest, test.latest)
		}
	}
}

func TestKeepAlivePrintsOnOneLine(t *testing.T) {
	for _, test := range []struct {
		k    sockopt.KeepAlive
		want string
	}{
		{sockopt.Within(10 * time.Second), "within 10s: idle 4s, interval 1s, count 3, user timeout 7s"},
		{sockopt.KeepAlive{Idle: -1, Interval: 1200 * time.Millisecond, Count: -1, UserTimeout: time.Millisecond}, "idle system, interval 1.2s, count system, user timeout 1ms"},
		{sockopt.KeepAlive{Disabled: true, UserTimeout: -1}, "off, user timeout system"},
		{sockopt.KeepAlive{Disabled: true, UserTimeout: time.Second, StallTimeout: time.Minute, Pace: 2500 * time.Millisecond}, "off, user timeout 1s, stall timeout 60s, pace 2.5s"},
		{sockopt.Within(time.Second), "refused Within(1s)"},
	} {
		if got := test.k.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func FuzzWithin(f *testing.F) {
	for _, d := range []time.Duration{0, 2, 3, 5, 10, 30, 137, 3600} {
		f.Add(int64(d*time.Second), int64(time.Second))
	}
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(int64(math.MinInt64), int64(1))
	f.Fuzz(func(t *testing.T, d, more int64) {
		k := sockopt.Within(time.Duration(d))
		_, err := sockopt.Platform{GOOS: "linux"}.Plan(k)
		if (time.Duration(d) < sockopt.MinWithin) != (err != nil) {
			t.Fatalf("Within(%v): %v", time.Duration(d), err)
		}
		if err != nil || more < 0 || d > math.MaxInt64-more {
			return
		}
		_, latest := k.Window()
		if latest > time.Duration(d) || k.UserTimeout != latest || k.Idle > time.Minute || k.Interval > k.Idle {
			t.Fatalf("Within(%v) = %v", time.Duration(d), k)
		}
		// What is left has to suffice for timers an eighth late and for the
		// retransmission that comes first.
		if late := latest + latest/8 + 500*time.Millisecond; d >= int64(2750*time.Millisecond) && late > time.Duration(d) {
			t.Fatalf("Within(%v) = %v, which a late kernel ends after %v", time.Duration(d), k, late)
		}
		l := sockopt.Within(time.Duration(d + more))
		if l.Idle < k.Idle || l.Interval < k.Interval || l.Count < k.Count || l.UserTimeout < k.UserTimeout {
			t.Fatalf("Within(%v) = %v, but Within(%v) = %v", time.Duration(d), k, time.Duration(d+more), l)
		}
	})
}
