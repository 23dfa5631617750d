package sockopt_test

import (
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/sockopt"
)

// with is Within(d) with a path and a gap.
func with(d, path, gap time.Duration) sockopt.KeepAlive {
	k := sockopt.Within(d)
	k.PathIdleTimeout, k.TolerateGap = path, gap
	return k
}

// everywhere has each system, and its older versions that go another way.
func everywhere() (all []sockopt.Platform) {
	for _, name := range sockopt.Names() {
		all = append(all, on(name))
	}
	return append(all, on("linux", 6, 14), on("windows", 10, 0, 15063), on("windows", 6, 1), on("windows", 5, 1),
		on("solaris", 11, 3), on("dragonfly", 5, 6), on("freebsd", 13))
}

// The values are written by hand: the longest Idle, and Interval after it, with which
// 8/9 of the path's time holds both, and Count what is left of Within.
func TestAPathThatForgetsShortensIdleAndKeepsWithin(t *testing.T) {
	for _, test := range []struct {
		name           string
		k              sockopt.KeepAlive
		idle, interval time.Duration
		count          int
	}{
		{"Within is the shorter", with(30*sec, sockopt.PathIdleAWS, 0), 13 * sec, 4 * sec, 3},
		{"as a default", sockopt.KeepAlive{PathIdleTimeout: sockopt.PathIdleAzure}, 13 * sec, 4 * sec, 3},
		{"every name with the longest Idle of all", with(5*time.Minute, sockopt.PathIdleAzure, 0), 60 * sec, 60 * sec, 3},
		{"just long enough", with(30*sec, 19125*ms, 0), 13 * sec, 4 * sec, 3},
		{"a little less", with(30*sec, 19124*ms, 0), 13 * sec, 3 * sec, 4},
		{"a strict one", with(30*sec, 10*sec, 0), 7 * sec, sec, 19},
		{"as a default, a strict one", sockopt.KeepAlive{PathIdleTimeout: 10 * sec}, 7 * sec, sec, 19},
		{"the strictest", with(30*sec, 2250*ms, 0), sec, sec, 25},
		{"Idle by hand", sockopt.KeepAlive{Within: 30 * sec, Idle: 5 * sec, PathIdleTimeout: 10 * sec}, 5 * sec, sec, 19},
		{"numbers by hand", sockopt.KeepAlive{Idle: 200 * sec, Interval: 50 * sec, Count: 3, PathIdleTimeout: sockopt.PathIdleAWS}, 200 * sec, 50 * sec, 3},
		{"an hour, and a minute", with(time.Hour, time.Minute, 0), 52 * sec, sec, 127},
	} {
		for _, planFor := range []func(sockopt.KeepAlive) (sockopt.Plan, error){on("darwin").Plan, on("linux").PlanUnwatched, on("netbsd").Plan} {
			plan, err := planFor(test.k)
			if a := plan.Asked; err != nil || a.Idle != test.idle || a.Interval != test.interval || a.Count != test.count || a.PathIdleTimeout != test.k.PathIdleTimeout {
				t.Errorf("%s: %v, %v", test.name, a, err)
			}
			if e := plan.Effective; e.PathIdleTimeout != 0 || e.TolerateGap != 0 {
				t.Errorf("%s: effective %v", test.name, e)
			}
		}
		if earliest, latest := test.k.Window(); earliest != test.interval*time.Duration(test.count) || latest != earliest+test.idle {
			t.Errorf("%s: window %v to %v", test.name, earliest, latest)
		}
	}
}

// Whatever is promised, on every system: the flow is known, the peer is noticed in time,
// and a gap is outlasted.
func TestWhatIsPromisedTogetherIsKeptEverywhereOrSaid(t *testing.T) {
	for _, p := range everywhere() {
		for _, within := range []time.Duration{3 * sec, 10 * sec, 30 * sec, 5 * time.Minute} {
			for _, path := range []time.Duration{0, 3 * sec, 20 * sec, sockopt.PathIdleAzure, sockopt.PathIdleCloudNAT} {
				for _, gap := range []time.Duration{0, sec, 4 * sec, 13 * sec, 2 * time.Minute} {
					if path == 0 && gap == 0 {
						continue
					}
					k := with(within, path, gap)
					for _, planFor := range []func(sockopt.KeepAlive) (sockopt.Plan, error){p.Plan, p.PlanUnwatched} {
						plan, err := planFor(k)
						if err != nil {
							checkPresetRefused(t, p, k, err)
							continue
						}
						checkPresets(t, plan)
					}
				}
			}
		}
	}
}

func checkPresetRefused(t *testing.T, p sockopt.Platform, k sockopt.KeepAlive, err error) {
	t.Helper()
	re, ok := errors.AsType[*sockopt.RangeError](err)
	if !ok || re.Field != "PathIdleTimeout" && re.Field != "TolerateGap" && re.Field != "Within" || re.Value == "" || re.Limit == "" {
		t.Errorf("%v, %v: %v", p, k, err)
	}
	if k.Within > 3*sec && k.TolerateGap <= k.Within/3 && (k.PathIdleTimeout == 0 || k.PathIdleTimeout > k.Within) && !slices.Contains([]string{"solaris", "illumos"}, p.GOOS) {
		t.Errorf("%v, %v: refused: %v", p, k, err)
	}
}

// checkPresets holds a plan to what is promised: by its numbers, late by an eighth, with
// one probe lost.
func checkPresets(t *testing.T, plan sockopt.Plan) {
	t.Helper()
	a, e := plan.Asked, plan.Effective
	said := func(field string) bool {
		return slices.ContainsFunc(plan.Unsupported, func(s string) bool { return strings.HasPrefix(s, field+": ") })
	}
	if e.Idle <= 0 || e.Interval <= 0 || e.Count <= 0 {
		if a.PathIdleTimeout > 0 && !said("path_idle_timeout") || a.TolerateGap > 0 && !said("tolerate_gap") {
			t.Errorf("%v, %v: not said: %q", plan.Platform, a, plan.Unsupported)
		}
		return
	}
	checkPresetNumbers(t, plan)
	if _, latest := plan.Window(); latest > a.Within {
		t.Errorf("%v, %v: noticed after %v", plan.Platform, a, latest)
	}
}

// checkPresetNumbers holds a plan's numbers to the path and the gap.
func checkPresetNumbers(t *testing.T, plan sockopt.Plan) {
	t.Helper()
	a, e := plan.Asked, plan.Effective
	if e.Idle <= 0 || e.Interval <= 0 || e.Count <= 0 {
		return
	}
	if apart := (max(e.Idle, e.Interval) + e.Interval) * 9 / 8; a.PathIdleTimeout > 0 && apart > a.PathIdleTimeout {
		t.Errorf("%v, %v: %v without a packet", plan.Platform, a, apart)
	}
	unknown := slices.ContainsFunc(plan.Unsupported, func(s string) bool { return strings.HasPrefix(s, "tolerate_gap: not known") })
	if last := e.Interval * time.Duration(e.Count-1); last >= 0 && last < a.TolerateGap && !unknown {
		t.Errorf("%v, %v: the last probe comes %v after the first, effective %v", plan.Platform, a, last, e)
	}
}

func TestAGapThatIsToleratedShortensIdleAndRaisesTheCount(t *testing.T) {
	for _, test := range []struct {
		name           string
		k              sockopt.KeepAlive
		within         time.Duration
		idle, interval time.Duration
		count, raised  int // by the kernel alone, and as set beside the watch
	}{
		{"a third of Within", with(30*sec, 0, 10*sec), 30 * sec, 13 * sec, sec, 13, 27},
		{"two thirds", with(30*sec, 0, 20*sec), 30 * sec, 4 * sec, sec, 22, 37},
		{"as a default, short", sockopt.KeepAlive{TolerateGap: 5 * sec}, 30 * sec, 13 * sec, 4 * sec, 3, 19},
		{"as a default, long", sockopt.KeepAlive{TolerateGap: 20 * sec}, 50 * sec, 20 * sec, sec, 24, 37},
		{"a short Within", with(5*sec, 0, sec), 5 * sec, sec, sec, 3, 18},
		{"with a path", with(time.Minute, 20*sec, 30*sec), time.Minute, 16 * sec, sec, 36, 47},
	} {
		alone := unwatched(t, on("linux"), test.k)
		if a := alone.Asked; a.Within != test.within || a.Idle != test.idle || a.Interval != test.interval || a.Count != test.count || alone.Effective.Count != test.count {
			t.Errorf("%s: %v, effective %v", test.name, a, alone.Effective)
		}
		plan := mustPlan(t, on("linux"), test.k)
		if plan.Effective.Count != test.raised || plan.Effective.Idle != test.idle {
			t.Errorf("%s: effective %v", test.name, plan.Effective)
		}
		if _, latest := plan.Window(); latest != test.within-250*ms {
			t.Errorf("%s: noticed after %v", test.name, latest)
		}
	}
}

func TestPresetsThatContradictAreErrorsThatNameFieldValueAndLimit(t *testing.T) {
	disabled := sockopt.KeepAlive{Disabled: true}
	for _, test := range []struct {
		platform sockopt.Platform
		k        sockopt.KeepAlive
		want     string
	}{
		{on("js"), sockopt.KeepAlive{PathIdleTimeout: -sec}, "PathIdleTimeout -1s: negative; zero is for none"},
		{on("js"), sockopt.KeepAlive{TolerateGap: -1}, "TolerateGap -1ns: negative; zero is for none"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: 2 * sec}, "PathIdleTimeout 2s: below 2.25s, the shortest in which two probes of whole-second kernel timers fit"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: time.Minute, Idle: -1}, "Idle system: left alone, although PathIdleTimeout 60s needs a first probe in time"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: time.Minute, Interval: -1}, "Interval system: left alone, although PathIdleTimeout 60s needs a second probe in time"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: 18 * sec, Pace: 9 * sec}, "Pace 9s: above half of the 16s that PathIdleTimeout 18s allows, so that no window probe may be lost"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: sockopt.PathIdleAWS, Idle: 300 * sec, Interval: 15 * sec},
			"Idle 300s: too long for PathIdleTimeout 350s: if a probe is lost, the next has to follow within 311.111111104s, and comes after 315s"},
		{on("linux"), sockopt.KeepAlive{PathIdleTimeout: sockopt.PathIdleAWS, Interval: 200 * sec},
			"Interval 200s: too long for PathIdleTimeout 350s: if a probe is lost, the next has to follow within 311.111111104s, and comes after 400s"},
		{on("solaris"), with(time.Minute, 18*sec, 0), "PathIdleTimeout 18s: too short for solaris: idle 15s, interval 10s"},
		{on("solaris"), with(10*sec, time.Minute, 0), "Within(10s): too short for solaris: idle 10s, interval 10s, count 3"},
		{on("linux"), with(30*sec, 0, 28*sec), "TolerateGap 28s: above 23s, the longest that Within 30s leaves time for"},
		{on("windows"), with(2*sec, 0, sec), "TolerateGap 1s: above none at all, which is what Within 2s leaves time for"},
		{on("linux"), with(time.Hour, 3*sec, 10*time.Minute), "TolerateGap 600s: above 110s, the longest that Within 3600s leaves time for with PathIdleTimeout 3s"},
		{on("linux"), sockopt.KeepAlive{TolerateGap: 3 * time.Hour}, "TolerateGap 10800s: above 6600s, the longest that Within 27000s leaves time for"},
		{on("linux"), sockopt.KeepAlive{Within: 30 * sec, Idle: 20 * sec, TolerateGap: 10 * sec}, "Idle 20s: does not outlast TolerateGap 10s and one more probe, with Within 30s"},
		{on("linux"), sockopt.KeepAlive{Idle: 10 * sec, Interval: 5 * sec, Count: 3, TolerateGap: 11 * sec}, "Count 3: does not outlast TolerateGap 11s and one more probe, with Interval 5s"},
		{on("darwin"), sockopt.KeepAlive{Idle: 10 * sec, Interval: 5 * sec, Count: 3, TolerateGap: 11 * sec}, "Count 3: does not outlast TolerateGap 11s and one more probe, with Interval 5s"},
		{on("linux"), sockopt.KeepAlive{Within: 30 * sec, StallTimeout: 5 * sec, TolerateGap: 10 * sec}, "StallTimeout 5s: does not outlast TolerateGap 10s and one more probe, and takes the place of Count"},
	} {
		plan, err := test.platform.Plan(test.k)
		if _, ok := errors.AsType[*sockopt.RangeError](err); !ok || err.Error() != "sockopt: "+test.want || len(plan.Ops) != 0 {
			t.Errorf("%v, %v: %v, want %s", test.platform, test.k, err, test.want)
		}
	}
	for _, k := range []sockopt.KeepAlive{{PathIdleTimeout: time.Minute}, {TolerateGap: sec}} {
		k.Disabled = disabled.Disabled
		if _, err := on("linux").Plan(k); err == nil || !strings.Contains(err.Error(), "set, although Disabled is true") {
			t.Errorf("%v: %v", k, err)
		}
	}
	for _, k := range []sockopt.KeepAlive{{PathIdleTimeout: math.MaxInt64}, {Within: math.MaxInt64, PathIdleTimeout: math.MaxInt64, TolerateGap: time.Hour}} {
		for _, p := range everywhere() {
			if _, err := p.PlanUnwatched(k); err != nil && p.GOOS != "windows" {
				t.Errorf("%v, %v: %v", p, k, err)
			}
		}
	}
}

func TestWhereAPresetIsNotKeptTheControlOfAnotherDialerIsToldWhy(t *testing.T) {
	few := on("linux")
	few.Retries2 = 5
	for _, test := range []struct {
		name    string
		plan    func(sockopt.KeepAlive) (sockopt.Plan, error)
		k       sockopt.KeepAlive
		want    string // the last of Unsupported
		nothing bool
	}{
		{"a gap with data in flight, by the kernel alone", on("linux").PlanUnwatched, with(30*sec, 0, 20*sec),
			"tolerate_gap: kept while the connection is idle; data in flight, of which a retransmission may come as long after the gap as that lasted, is given up after 26s", false},
		{"a short one", on("linux").PlanUnwatched, with(30*sec, 0, 5*sec), "", true},
		{"with the watch", on("linux").Plan, with(30*sec, 0, 20*sec), "", true},
		{"an older kernel, whose pauses double", on("linux", 6, 14).Plan, with(30*sec, 0, 20*sec),
			"tolerate_gap: kept while the connection is idle; data in flight may be sent again too late for the 29.75s that it has", false},
		{"few retries", few.Plan, with(30*sec, 0, 20*sec),
			"tolerate_gap: kept while the connection is idle; data in flight may be sent again too late for the 29.75s that it has", false},
		{"OpenBSD", on("openbsd").Plan, with(30*sec, 0, 5*sec), "tolerate_gap: not known to be kept, because openbsd decides when it probes", false},
		{"OpenBSD's path", on("openbsd").Plan, with(30*sec, sockopt.PathIdleAWS, 0), "path_idle_timeout: not kept, because openbsd decides when the first probe is sent", false},
		{"a shut window", on("linux", 6, 14).Plan, with(30*sec, sockopt.PathIdleAzure, 0),
			"path_idle_timeout: kept while the connection is idle; a peer whose window is shut may be asked no more often than once in 120s", false},
		{"a shut window at a pace", on("linux").Plan, with(30*sec, sockopt.PathIdleAzure, 0), "", true},
	} {
		plan, err := test.plan(test.k)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := ""
		for _, s := range plan.Unsupported {
			if strings.HasPrefix(s, "path_idle_timeout") || strings.HasPrefix(s, "tolerate_gap") {
				got = s
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestAPlanMadeOfAPlansValuesIsTheSame(t *testing.T) {
	for _, k := range []sockopt.KeepAlive{with(30*sec, 10*sec, 4*sec), {TolerateGap: 20 * sec}, {PathIdleTimeout: 10 * sec}, with(time.Minute, 20*sec, 30*sec)} {
		for _, p := range []sockopt.Platform{on("linux"), on("darwin"), on("windows")} {
			once := mustPlan(t, p, k)
			if again := mustPlan(t, p, once.Asked); again.Effective != once.Effective || !slices.Equal(calls(again), calls(once)) {
				t.Errorf("%v, %v: %v, then %v", p, k, once.Effective, again.Effective)
			}
		}
	}
}

// A dial with a contradiction makes no socket: Control is not called before the plan.
func TestADialWithAContradictionConnectsToNobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err) // a system without a network of its own
	}
	defer ln.Close()
	d := net.Dialer{KeepAlive: -1, Control: sockopt.Control(with(30*sec, 0, 28*sec))}
	c, err := d.Dial("tcp", ln.Addr().String())
	if err == nil {
		c.Close()
	}
	if re, ok := errors.AsType[*sockopt.RangeError](err); d.Control != nil && (!ok || re.Field != "TolerateGap") {
		t.Errorf("%v", err)
	}
}

func FuzzPresets(f *testing.F) {
	for i := range sockopt.Names() {
		f.Add(uint8(i), int64(30*sec), int64(0), int64(0), 0, int64(0), int64(350*sec), int64(0))
		f.Add(uint8(i), int64(0), int64(5*sec), int64(2*sec), 9, int64(-1), int64(10*sec), int64(20*sec))
	}
	f.Add(uint8(0), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), math.MaxInt, int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(uint8(1), int64(0), int64(0), int64(0), 0, int64(0), int64(math.MinInt64), int64(math.MinInt64))
	names := sockopt.Names()
	f.Fuzz(func(t *testing.T, name uint8, within, idle, interval int64, count int, stallTimeout, path, gap int64) {
		p := on(names[int(name)%len(names)])
		k := sockopt.KeepAlive{Within: time.Duration(within), Idle: time.Duration(idle), Interval: time.Duration(interval), Count: count,
			StallTimeout: time.Duration(stallTimeout), PathIdleTimeout: time.Duration(path), TolerateGap: time.Duration(gap)}
		_, _ = k.Window()
		for _, planFor := range []func(sockopt.KeepAlive) (sockopt.Plan, error){p.Plan, p.PlanUnwatched} {
			plan, err := planFor(k)
			if err != nil {
				if re, ok := errors.AsType[*sockopt.RangeError](err); !ok || re.Field == "" || re.Value == "" || re.Limit == "" {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			if k.PathIdleTimeout < 0 || k.TolerateGap < 0 {
				t.Fatalf("%v was accepted", k)
			}
			checkOps(t, plan)
			checkEffective(t, plan)
			checkWindow(t, plan)
			checkPresetNumbers(t, plan)
		}
	})
}
