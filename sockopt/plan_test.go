package sockopt_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/sockopt"
	"github.com/google/go-cmp/cmp"
)

// on returns a platform from a name and up to three numbers.
func on(goos string, v ...uint32) sockopt.Platform {
	v = append(v, 0, 0, 0)
	return sockopt.Platform{GOOS: goos, Major: v[0], Minor: v[1], Build: v[2]}
}

func mustPlan(t testing.TB, p sockopt.Platform, k sockopt.KeepAlive) sockopt.Plan {
	t.Helper()
	plan, err := p.Plan(k)
	if err != nil {
		t.Fatalf("%v, %v: %v", p, k, err)
	}
	return plan
}

// unwatched is mustPlan for a socket left to the kernel alone.
func unwatched(t testing.TB, p sockopt.Platform, k sockopt.KeepAlive) sockopt.Plan {
	t.Helper()
	plan, err := p.PlanUnwatched(k)
	if err != nil {
		t.Fatalf("%v, %v: %v", p, k, err)
	}
	return plan
}

func calls(plan sockopt.Plan) (out []string) {
	for _, o := range plan.Ops {
		out = append(out, o.String())
	}
	return out
}

const (
	sec = time.Second
	ms  = time.Millisecond

	onLinux = "setsockopt(SOL_SOCKET 1, SO_KEEPALIVE 9, 1)"
	onBSD   = "setsockopt(SOL_SOCKET 0xffff, SO_KEEPALIVE 8, 1)"
)

// whole is a request that every system accepts.
var whole = sockopt.KeepAlive{Idle: 30 * sec, Interval: 20 * sec, Count: 4, UserTimeout: 90 * sec}

// The expectations are written by hand, from the table of options and not
// from the code.
func TestEverySystemGetsItsOwnCallsInOrder(t *testing.T) {
	linux := []string{
		onLinux,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 4, 30 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 5, 20 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 6, 4)",
		"setsockopt(IPPROTO_TCP 6, TCP_USER_TIMEOUT 18, 90000 ms)",
	}
	darwin := []string{
		onBSD,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPALIVE 16, 30 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 0x101, 20 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 0x102, 4)",
		"setsockopt(IPPROTO_TCP 6, TCP_RXT_CONNDROPTIME 0x80, 90 s)",
	}
	freebsd := []string{
		onBSD,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 0x100, 30 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 0x200, 20 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 0x400, 4)",
	}
	dragonflyMS := []string{
		onBSD,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 0x100, 30000 ms)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 0x200, 20000 ms)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 0x400, 4)",
	}
	windows := []string{
		onBSD,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 3, 30 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 17, 20 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 16, 4)",
		"setsockopt(IPPROTO_TCP 6, TCP_MAXRT 5, 90 s)",
	}
	windowsMixed := []string{
		onBSD,
		"WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 30000 ms, 20000 ms})",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 16, 4)",
		"setsockopt(IPPROTO_TCP 6, TCP_MAXRT 5, 90 s)",
	}
	windowsIoctl := []string{
		onBSD,
		"WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 30000 ms, 8000 ms})",
		"setsockopt(IPPROTO_TCP 6, TCP_MAXRT 5, 90 s)",
	}
	solaris := []string{
		onBSD,
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 29, 30 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 30, 20 s)",
		"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 31, 4)",
		"setsockopt(IPPROTO_TCP 6, TCP_ABORT_THRESHOLD 17, 90000 ms)",
	}
	for _, test := range []struct {
		platform sockopt.Platform
		path     string
		calls    []string
		fields   []string // of Unsupported, in order
	}{
		{on("linux"), "options", linux, nil},
		{on("linux", 3, 2), "options", linux, nil},
		{on("android"), "options", linux, nil},
		{on("darwin", 23, 1), "options", darwin, []string{"user_timeout"}},
		{on("ios"), "options", darwin, []string{"user_timeout"}},
		{on("freebsd"), "options", append(slices.Clone(freebsd), "setsockopt(IPPROTO_TCP 6, TCP_MAXUNACKTIME 0x44, 90 s)"), nil},
		{on("freebsd", 14), "options", append(slices.Clone(freebsd), "setsockopt(IPPROTO_TCP 6, TCP_MAXUNACKTIME 0x44, 90 s)"), nil},
		{on("freebsd", 13, 2), "options", freebsd, []string{"user_timeout"}},
		{on("netbsd"), "options", []string{
			onBSD,
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 3, 30 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 5, 20 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 6, 4)",
		}, []string{"idle", "interval", "user_timeout"}},
		{on("openbsd"), "on/off", []string{onBSD}, []string{"idle", "interval", "count", "user_timeout"}},
		{on("dragonfly"), "options", freebsd, []string{"user_timeout"}},
		{on("dragonfly", 6, 4), "options", freebsd, []string{"user_timeout"}},
		{on("dragonfly", 5, 8), "options", freebsd, []string{"user_timeout"}},
		{on("dragonfly", 5, 6, 3), "options", dragonflyMS, []string{"user_timeout"}},
		{on("solaris"), "options", solaris, []string{"user_timeout"}},
		{on("solaris", 11, 4, 42), "options", solaris, []string{"user_timeout"}},
		{on("solaris", 11, 3), "options", []string{
			onBSD,
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPALIVE_THRESHOLD 22, 30000 ms)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPALIVE_ABORT_THRESHOLD 23, 80000 ms)",
			"setsockopt(IPPROTO_TCP 6, TCP_ABORT_THRESHOLD 17, 90000 ms)",
		}, []string{"count", "user_timeout"}},
		{on("illumos"), "options", []string{
			onBSD,
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 34, 30 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 36, 20 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 35, 4)",
			"setsockopt(IPPROTO_TCP 6, TCP_ABORT_THRESHOLD 17, 90000 ms)",
		}, []string{"user_timeout"}},
		{on("aix"), "options", []string{
			onBSD,
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 17, 30 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 18, 20 s)",
			"setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 19, 4)",
		}, []string{"idle", "interval", "user_timeout"}},
		{on("windows"), "options", windows, []string{"user_timeout"}},
		{on("windows", 10, 0, 22631), "options", windows, []string{"user_timeout"}},
		{on("windows", 10, 0, 16299), "options", windows, []string{"user_timeout"}},
		{on("windows", 10, 0, 16298), "options+ioctl", windowsMixed, []string{"user_timeout"}},
		{on("windows", 10, 0, 15063), "options+ioctl", windowsMixed, []string{"user_timeout"}},
		{on("windows", 10, 0, 15062), "ioctl", windowsIoctl, []string{"count", "user_timeout"}},
		{on("windows", 6, 3, 17763), "ioctl", windowsIoctl, []string{"count", "user_timeout"}},
		{on("windows", 6, 0, 6000), "ioctl", windowsIoctl, []string{"count", "user_timeout"}},
		{on("windows", 5, 1, 2600), "ioctl", []string{
			onBSD,
			"WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 30000 ms, 16000 ms})",
		}, []string{"count", "user_timeout"}},
		{on("plan9"), "none", nil, []string{"keepalive", "idle", "interval", "count", "user_timeout"}},
		{on("js"), "none", nil, []string{"keepalive", "idle", "interval", "count", "user_timeout"}},
		{on("wasip1"), "none", nil, []string{"keepalive", "idle", "interval", "count", "user_timeout"}},
		{on("beos", 5), "none", nil, []string{"keepalive", "idle", "interval", "count", "user_timeout"}},
		{on(""), "none", nil, []string{"keepalive", "idle", "interval", "count", "user_timeout"}},
	} {
		plan := unwatched(t, test.platform, whole)
		if plan.Path != test.path {
			t.Errorf("%v: path %q, want %q", test.platform, plan.Path, test.path)
		}
		if diff := cmp.Diff(test.calls, calls(plan)); diff != "" {
			t.Errorf("%v: calls (-want +got)\n%s", test.platform, diff)
		}
		var fields []string
		for _, s := range plan.Unsupported {
			fields = append(fields, s[:strings.Index(s, ":")])
		}
		if diff := cmp.Diff(test.fields, fields); diff != "" {
			t.Errorf("%v: unsupported (-want +got)\n%s%s", test.platform, diff, strings.Join(plan.Unsupported, "\n"))
		}
	}
}

// What differs from a plan for a kernel alone is written by hand.
func TestAWatchedConnectionHasAPaceAndNoUserTimeoutThatEndsAStall(t *testing.T) {
	const pace = "setsockopt(IPPROTO_TCP 6, TCP_RTO_MAX_MS 44, 10900 ms)"
	for _, test := range []struct {
		platforms []sockopt.Platform
		dropped   int
		added     []string
		stall     string
	}{
		{[]sockopt.Platform{on("linux"), on("linux", 6, 15), on("android"), on("linux", 7)}, 1, []string{pace},
			"setsockopt(IPPROTO_TCP 6, TCP_USER_TIMEOUT 18, 60000 ms)"},
		{[]sockopt.Platform{on("linux", 6, 14, 9), on("android", 5, 15)}, 1, nil,
			"setsockopt(IPPROTO_TCP 6, TCP_USER_TIMEOUT 18, 60000 ms)"},
		{[]sockopt.Platform{on("freebsd"), on("freebsd", 14)}, 1, nil, "setsockopt(IPPROTO_TCP 6, TCP_MAXUNACKTIME 0x44, 60 s)"},
		{[]sockopt.Platform{on("darwin"), on("ios")}, 0, nil, "setsockopt(IPPROTO_TCP 6, PERSIST_TIMEOUT 0x40, 60 s)"},
		{[]sockopt.Platform{on("freebsd", 13), on("netbsd"), on("openbsd"), on("dragonfly"), on("solaris"), on("illumos"),
			on("aix"), on("windows"), on("windows", 10, 0, 15063), on("windows", 6, 1), on("plan9"), on("js")}, 0, nil, ""},
	} {
		for _, p := range test.platforms {
			want := calls(unwatched(t, p, whole))
			want = append(want[:len(want)-test.dropped], test.added...)
			if diff := cmp.Diff(want, calls(mustPlan(t, p, whole))); diff != "" {
				t.Errorf("%v: calls (-want +got)\n%s", p, diff)
			}
			k := whole
			k.StallTimeout = 60 * sec
			plan := mustPlan(t, p, k)
			if got := slices.Contains(calls(plan), test.stall); got != (test.stall != "") || len(plan.Ops) > len(want)+1 {
				t.Errorf("%v: %q", p, calls(plan))
			}
			if plan.Asked.UserTimeout != k.UserTimeout || test.dropped > 0 && plan.Effective.UserTimeout != 60*sec {
				t.Errorf("%v: asked %v, effective %v", p, plan.Asked, plan.Effective)
			}
		}
	}
}

func TestAStallTimeoutAndAUserTimeoutShareAnOptionWithoutAWatch(t *testing.T) {
	for _, test := range []struct {
		userTimeout, stallTimeout, want time.Duration
	}{
		{0, 0, 110 * sec}, {90 * sec, 0, 90 * sec}, {90 * sec, -1, -1}, {0, -1, -1},
		{90 * sec, 60 * sec, 90 * sec}, {90 * sec, 200 * sec, 200 * sec}, {0, 200 * sec, 200 * sec}, {-1, 60 * sec, 60 * sec}, {-1, 0, -1},
	} {
		k := sockopt.KeepAlive{Idle: 30 * sec, Interval: 20 * sec, Count: 4, UserTimeout: test.userTimeout, StallTimeout: test.stallTimeout, Pace: sec}
		for _, name := range []string{"linux", "freebsd"} {
			plan := unwatched(t, on(name), k)
			if got := plan.Effective; got.UserTimeout != test.want || got.StallTimeout != test.want || got.Pace != -1 {
				t.Errorf("%s, %v: %v", name, k, got)
			}
			if n := len(plan.Ops); (n == 5) != (test.want > 0) || n < 4 {
				t.Errorf("%s, %v: %q", name, k, calls(plan))
			}
		}
		plan := unwatched(t, on("darwin"), k)
		if n := len(plan.Ops); n != 6 && test.userTimeout >= 0 && test.stallTimeout > 0 {
			t.Errorf("darwin, %v: %q", k, calls(plan))
		}
	}
}

func TestAWatchedPromiseHasEightProbesAndEndsWithTheVerdict(t *testing.T) {
	within := func(d time.Duration, stall time.Duration) sockopt.KeepAlive {
		k := sockopt.Within(d)
		k.StallTimeout = stall
		return k
	}
	for _, test := range []struct {
		name             string
		platform         sockopt.Platform
		k                sockopt.KeepAlive
		count            int
		earliest, latest time.Duration
	}{
		{"the default", on("linux"), sockopt.KeepAlive{}, 8, 16750 * ms, 29750 * ms},
		{"an older kernel", on("android", 5, 15), sockopt.Within(10 * sec), 8, 5750 * ms, 9750 * ms},
		{"the shortest", on("linux"), sockopt.Within(2 * sec), 8, 750 * ms, 1750 * ms},
		{"by hand", on("linux"), sockopt.KeepAlive{Within: 5 * sec, Idle: 4 * sec, Interval: sec, Count: 2}, 8, 750 * ms, 4750 * ms},
		{"no time before the first probe", on("linux"), sockopt.KeepAlive{Within: 5 * sec, Idle: 5*sec - 1}, 8, 0, 4750 * ms},
		{"the kernel is earlier", on("linux"), sockopt.Within(time.Hour), 52, 3120 * sec, 3180 * sec},
		{"the stall timeout is earlier", on("linux"), within(30*sec, 5*sec), 8, 4 * sec, 17 * sec},
		{"the stall timeout is later", on("linux"), within(30*sec, time.Minute), 8, 16750 * ms, 29750 * ms},
		{"a count left alone", on("linux"), sockopt.KeepAlive{Within: 30 * sec, Count: -1}, -1, 16750 * ms, 29750 * ms},
		{"off", on("linux"), sockopt.KeepAlive{Within: 30 * sec, Disabled: true}, -1, sockopt.Never, sockopt.Never},
		{"explicit numbers", on("linux"), sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 2}, 2, 2 * sec, 3 * sec},
		{"another system", on("darwin"), sockopt.Within(30 * sec), 3, 12 * sec, 25 * sec},
	} {
		plan := mustPlan(t, test.platform, test.k)
		count := -1
		for _, o := range plan.Ops {
			if o.Field == sockopt.FieldCount {
				count = o.Value
			}
		}
		if earliest, latest := plan.Window(); count != test.count || earliest != test.earliest || latest != test.latest {
			t.Errorf("%s: count %d, %v to %v, want %d, %v to %v", test.name, count, earliest, latest, test.count, test.earliest, test.latest)
		}
	}
	for d, want := range map[time.Duration]int{3 * sec: 1, 30 * sec: 3} {
		if got := unwatched(t, on("linux"), sockopt.Within(d)).Effective.Count; got != want {
			t.Errorf("Within(%v) without a watch: %d probes", d, got)
		}
	}
}

func TestWhatIsNotSetOnALinuxThatIsWatchedIsSaid(t *testing.T) {
	few := on("linux")
	few.Retries2 = 5
	const kept = "user_timeout: no option of its own, because TCP_USER_TIMEOUT ends a live peer"
	for _, test := range []struct {
		platform sockopt.Platform
		k        sockopt.KeepAlive
		want     []string
	}{
		{on("linux"), sockopt.KeepAlive{}, []string{kept}},
		{on("linux", 6, 14), sockopt.KeepAlive{}, []string{kept, "pace: linux before 6.15 has no bound"}},
		{on("linux", 6, 14), sockopt.KeepAlive{Pace: -1}, []string{kept}},
		{on("linux", 6, 14), sockopt.KeepAlive{Pace: sec}, []string{kept, "pace: linux before 6.15 has no bound"}},
		{on("linux", 6, 14), sockopt.KeepAlive{UserTimeout: -1}, nil},
		{few, sockopt.KeepAlive{}, []string{kept, "pace: with net.ipv4.tcp_retries2 at 5 the kernel gives up before 30s at any pace"}},
		{few, sockopt.Within(5 * sec), []string{kept}},
		{on("darwin"), sockopt.KeepAlive{UserTimeout: -1}, nil},
		{on("darwin"), sockopt.KeepAlive{UserTimeout: -1, Pace: sec}, []string{"pace: darwin has no such socket option"}},
		{on("windows"), sockopt.KeepAlive{UserTimeout: -1, StallTimeout: sec}, []string{"stall_timeout: windows has no such socket option"}},
		{on("freebsd", 13), sockopt.KeepAlive{UserTimeout: -1, StallTimeout: sec}, []string{"stall_timeout: not set, because freebsd before 14"}},
	} {
		got := mustPlan(t, test.platform, test.k).Unsupported
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%v, %v: %q, want %q", test.platform, test.k, got, test.want)
		}
	}
}

func TestWhatThePlatformCannotDoIsSaidInWords(t *testing.T) {
	for _, test := range []struct {
		platform sockopt.Platform
		want     string
	}{
		{on("windows", 10, 0, 14393), "count: windows 10.0.14393 has no option for it, its count is fixed at 10: Interval 20s * Count 4 is kept as 8s * 10"},
		{on("solaris", 11, 3), "count: solaris before 11.4 decides itself how many probes it sends"},
		{on("netbsd"), "idle: set in seconds as tcp(4) says, but the kernel appears to count half seconds"},
		{on("netbsd"), "user_timeout: netbsd has no such socket option, the system's own value stands"},
		{on("aix"), "interval: set in seconds, but the unit is not documented"},
		{on("freebsd", 13), "user_timeout: not set, because freebsd before 14"},
		{on("openbsd"), "idle: no such socket option; sysctl net.inet.tcp.keepidle"},
		{on("plan9"), "keepalive: plan9 takes it through a ctl file"},
	} {
		plan := unwatched(t, test.platform, whole)
		if !slices.ContainsFunc(plan.Unsupported, func(s string) bool { return strings.HasPrefix(s, test.want) }) {
			t.Errorf("%v: no %q in\n%s", test.platform, test.want, strings.Join(plan.Unsupported, "\n"))
		}
	}
}

func TestEffectiveAndWindowTellWhatTheKernelAloneWillDo(t *testing.T) {
	unset := sockopt.KeepAlive{Idle: -1, Interval: -1, Count: -1, UserTimeout: -1}
	off := unset
	off.Disabled = true
	for _, test := range []struct {
		name             string
		platform         sockopt.Platform
		asked, effective sockopt.KeepAlive
		earliest, latest time.Duration
	}{
		{"zero value is Within(30s)", on("linux"), sockopt.KeepAlive{}, sockopt.Within(30 * sec), 12 * sec, 25 * sec},
		{"rounded up, user timeout after rounding", on("linux"),
			sockopt.KeepAlive{Idle: 1, Interval: 1001 * ms, Count: 3},
			sockopt.KeepAlive{Idle: sec, Interval: 2 * sec, Count: 3, UserTimeout: 7 * sec}, 6 * sec, 7 * sec},
		{"user timeout rounded to milliseconds", on("linux"),
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 1, UserTimeout: 1500001},
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 1, UserTimeout: 2 * ms}, sec, 2 * sec},
		{"user timeout rounded to seconds", on("darwin"),
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 2, UserTimeout: 1500 * ms},
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 2, UserTimeout: 2 * sec}, 2 * sec, 3 * sec},
		{"everything left alone", on("linux"), unset, unset, 675 * sec, 7875 * sec},
		{"everything left alone, darwin", on("darwin"), unset, unset, 600 * sec, 7800 * sec},
		{"everything left alone, freebsd", on("freebsd"), unset, unset, 600 * sec, 7800 * sec},
		{"everything left alone, windows", on("windows"), unset, unset, 10 * sec, 7210 * sec},
		{"everything left alone, old windows", on("windows", 6, 1), unset, unset, 10 * sec, 7210 * sec},
		{"everything left alone, windows XP", on("windows", 5, 1), unset, unset, 5 * sec, 7205 * sec},
		{"everything left alone, old solaris", on("solaris", 11, 3), unset, unset, 480 * sec, 7680 * sec},
		{"everything left alone, netbsd", on("netbsd"), unset, unset, 0, 0},
		{"a part left alone and undocumented", on("illumos"),
			sockopt.KeepAlive{Idle: 10 * sec, Interval: 5 * sec, Count: -1},
			sockopt.KeepAlive{Idle: 10 * sec, Interval: 5 * sec, Count: -1, UserTimeout: -1}, 0, 0},
		{"a part left alone: no user timeout of its own", on("linux"),
			sockopt.KeepAlive{Idle: -1, Interval: 2 * sec, Count: 3},
			sockopt.KeepAlive{Idle: -1, Interval: 2 * sec, Count: 3, UserTimeout: -1}, 6 * sec, 7206 * sec},
		{"user timeout with idle left alone", on("linux"),
			sockopt.KeepAlive{Idle: -1, Interval: 2 * sec, Count: 3, UserTimeout: 10 * sec},
			sockopt.KeepAlive{Idle: -1, Interval: 2 * sec, Count: 1, UserTimeout: 10 * sec}, 2 * sec, 7202 * sec},
		{"user timeout with count left alone", on("linux"),
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: -1, UserTimeout: 10 * sec},
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 9, UserTimeout: 10 * sec}, 9 * sec, 10 * sec},
		{"user timeout alone counts nowhere else", on("windows"),
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 3, UserTimeout: 10 * sec},
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 3, UserTimeout: 10 * sec}, 3 * sec, 4 * sec},
		{"disabled", on("linux"), sockopt.KeepAlive{Disabled: true, Idle: -1}, off, sockopt.Never, sockopt.Never},
		{"disabled with a user timeout", on("linux"), sockopt.KeepAlive{Disabled: true, UserTimeout: sec},
			sockopt.KeepAlive{Disabled: true, Idle: -1, Interval: -1, Count: -1, UserTimeout: sec}, sockopt.Never, sockopt.Never},
		{"on and off only", on("openbsd"), sockopt.KeepAlive{}, unset, 0, 0},
		{"nothing to set", on("js"), sockopt.KeepAlive{}, off, sockopt.Never, sockopt.Never},
		{"old windows keeps interval*count", on("windows", 10, 0, 14393),
			sockopt.KeepAlive{Idle: sec, Interval: 3 * sec, Count: 1},
			sockopt.KeepAlive{Idle: sec, Interval: 300 * ms, Count: 10, UserTimeout: 4 * sec}, 3 * sec, 4 * sec},
		{"old windows rounds the quotient up", on("windows", 10, 0, 14393),
			sockopt.KeepAlive{Idle: sec, Interval: 1001 * ms, Count: 1},
			sockopt.KeepAlive{Idle: sec, Interval: 101 * ms, Count: 10, UserTimeout: 3 * sec}, 1010 * ms, 2010 * ms},
		{"the seed's experiment on old windows", on("windows", 10, 0, 14393),
			sockopt.KeepAlive{Idle: sec, Interval: 3 * sec, Count: 10},
			sockopt.KeepAlive{Idle: sec, Interval: 3 * sec, Count: 10, UserTimeout: 31 * sec}, 30 * sec, 31 * sec},
		{"old windows, count left alone", on("windows", 6, 1),
			sockopt.KeepAlive{Idle: sec, Interval: 3 * sec, Count: -1},
			sockopt.KeepAlive{Idle: sec, Interval: 3 * sec, Count: -1, UserTimeout: -1}, 30 * sec, 31 * sec},
		{"old windows, idle left alone", on("windows", 6, 1),
			sockopt.KeepAlive{Idle: -1, Interval: 3 * sec, Count: 10},
			sockopt.KeepAlive{Idle: 7200 * sec, Interval: 3 * sec, Count: 10, UserTimeout: -1}, 30 * sec, 7230 * sec},
		{"old windows, interval left alone", on("windows", 10, 0, 15063),
			sockopt.KeepAlive{Idle: sec, Interval: -1, Count: 7, UserTimeout: -1},
			sockopt.KeepAlive{Idle: sec, Interval: sec, Count: 7, UserTimeout: -1}, 7 * sec, 8 * sec},
		{"old windows, count alone", on("windows", 6, 1),
			sockopt.KeepAlive{Idle: -1, Interval: -1, Count: 3}, unset, 10 * sec, 7210 * sec},
		{"old solaris has one interval", on("solaris", 11, 3), whole,
			sockopt.KeepAlive{Idle: 30 * sec, Interval: 80 * sec, Count: 1, UserTimeout: 90 * sec}, 80 * sec, 110 * sec},
		{"the default is raised to what solaris accepts", on("solaris"), sockopt.KeepAlive{},
			sockopt.KeepAlive{Idle: 13 * sec, Interval: 10 * sec, Count: 3, UserTimeout: 43 * sec}, 30 * sec, 43 * sec},
	} {
		plan := unwatched(t, test.platform, test.asked)
		got := plan.Effective
		if shares := slices.Contains([]string{"linux", "android", "freebsd"}, test.platform.GOOS); shares != (got.StallTimeout == got.UserTimeout && got.StallTimeout != -1) && got.UserTimeout != -1 {
			t.Errorf("%s: effective %v", test.name, got)
		}
		got.StallTimeout, got.Pace, test.effective.Within = 0, 0, 0 // see the tests of those
		if got != test.effective {
			t.Errorf("%s: effective %v, want %v", test.name, got, test.effective)
		}
		if earliest, latest := plan.Window(); earliest != test.earliest || latest != test.latest {
			t.Errorf("%s: window %v to %v, want %v to %v", test.name, earliest, latest, test.earliest, test.latest)
		}
	}
}

// Each row is a case measured on Linux 6.18 with an idle connection; the
// verdict fell in the second that Window predicts, plus the timer's lateness.
func TestOnLinuxTheUserTimeoutReplacesTheCount(t *testing.T) {
	for _, test := range []struct {
		idle, interval time.Duration
		count          int
		userTimeouts   []time.Duration
		probes         int
		latest         time.Duration
	}{
		{1, 1, 3, []time.Duration{-1, 4000 * ms, 3500 * ms, 3999 * ms}, 3, 4 * sec},
		{1, 1, 3, []time.Duration{500 * ms, 1000 * ms, 1500 * ms, 2000 * ms}, 1, 2 * sec},
		{1, 1, 3, []time.Duration{2500 * ms, 3000 * ms}, 2, 3 * sec},
		{1, 1, 3, []time.Duration{4500 * ms, 5000 * ms}, 4, 5 * sec},
		{1, 1, 3, []time.Duration{10000 * ms}, 9, 10 * sec},
		{1, 1, 9, []time.Duration{2500 * ms}, 2, 3 * sec},
		{1, 1, 2, []time.Duration{8000 * ms}, 7, 8 * sec},
		{2, 3, 2, []time.Duration{-1, 8000 * ms}, 2, 8 * sec},
		{2, 3, 2, []time.Duration{1000 * ms}, 1, 5 * sec},
		{5, 1, 1, []time.Duration{1000 * ms}, 1, 6 * sec},
		{15, 15, 9, []time.Duration{20 * sec}, 1, 30 * sec}, // one lost probe kills
	} {
		for _, ut := range test.userTimeouts {
			k := sockopt.KeepAlive{Idle: test.idle * sec, Interval: test.interval * sec, Count: test.count, UserTimeout: ut}
			plan := unwatched(t, on("linux"), k)
			earliest, latest := plan.Window()
			if latest != test.latest || earliest != test.latest-k.Idle || plan.Effective.Count != test.probes {
				t.Errorf("%v: %d probes, %v to %v, want %d, to %v", k, plan.Effective.Count, earliest, latest, test.probes, test.latest)
			}
		}
	}
}

func TestTheDefaultUserTimeoutDoesNotMoveTheVerdict(t *testing.T) {
	for _, k := range []sockopt.KeepAlive{{}, {Idle: 1}, {Idle: 1500 * ms, Interval: 2500 * ms, Count: 127}, {Interval: 3 * sec, Count: 10}} {
		with, without := unwatched(t, on("linux"), k), k
		without.UserTimeout = -1
		_, a := with.Window()
		_, b := unwatched(t, on("linux"), without).Window()
		if a != b || with.Effective.UserTimeout <= 0 {
			t.Errorf("%v: %v with the default user timeout, %v without one", k, a, b)
		}
	}
}

func TestAValueOutOfRangeIsAnErrorThatNamesFieldValueAndLimit(t *testing.T) {
	for _, test := range []struct {
		platform sockopt.Platform
		k        sockopt.KeepAlive
		field    string
		want     string
	}{
		{on("linux"), sockopt.KeepAlive{Idle: 40000 * sec}, "Idle", "sockopt: Idle 40000s: above 32767s, the largest that linux accepts"},
		{on("linux"), sockopt.KeepAlive{Idle: 32767*sec + 1}, "Idle", "sockopt: Idle 32767.000000001s: above 32767s, the largest that linux accepts"},
		{on("android"), sockopt.KeepAlive{Interval: 32768 * sec}, "Interval", "sockopt: Interval 32768s: above 32767s, the largest that android accepts"},
		{on("linux"), sockopt.KeepAlive{Count: 128}, "Count", "sockopt: Count 128: above 127, the largest that linux accepts"},
		{on("linux"), sockopt.KeepAlive{UserTimeout: 2147483648 * ms}, "UserTimeout", "sockopt: UserTimeout 2147483.648s: above 2147483.647s, the largest that linux accepts"},
		{on("linux"), sockopt.KeepAlive{Interval: 32767 * sec, Count: 127}, "UserTimeout", "sockopt: UserTimeout 4161422s (Idle+Interval*Count): above 2147483.647s, the largest that linux accepts"},
		{on("windows"), sockopt.KeepAlive{Count: 256}, "Count", "sockopt: Count 256: above 255, the largest that windows accepts"},
		{on("windows", 10, 0, 15063), sockopt.KeepAlive{Count: 256}, "Count", "sockopt: Count 256: above 255, the largest that windows accepts"},
		{on("windows", 6, 1), sockopt.KeepAlive{Idle: 4294968 * sec}, "Idle", "sockopt: Idle 4294968s: above 4294967.295s, the largest that windows accepts"},
		{on("windows", 6, 1), sockopt.KeepAlive{Interval: 4294968 * sec, Count: 20}, "Interval*Count/10", "sockopt: Interval*Count/10 8589936s: above 4294967.295s, the largest that windows accepts"},
		{on("illumos"), sockopt.KeepAlive{Idle: 9 * sec}, "Idle", "sockopt: Idle 9s: below 10s, the smallest that illumos accepts"},
		{on("illumos"), sockopt.KeepAlive{Idle: 864001 * sec}, "Idle", "sockopt: Idle 864001s: above 864000s, the largest that illumos accepts"},
		{on("illumos"), sockopt.KeepAlive{Interval: 61 * sec}, "Interval", "sockopt: Interval 61s: above 60s, the largest that illumos accepts"},
		{on("solaris"), sockopt.KeepAlive{Interval: 4 * sec}, "Interval", "sockopt: Interval 4s: below 10s, the smallest that solaris accepts"},
		{on("solaris", 11, 3), sockopt.KeepAlive{Idle: sec}, "Idle", "sockopt: Idle 1s: below 10s, the smallest that solaris accepts"},
		{on("darwin"), sockopt.KeepAlive{Idle: 4294968 * sec}, "Idle", "sockopt: Idle 4294968s: above 4294967s, the largest that darwin accepts"},
		{on("dragonfly", 5, 6), sockopt.KeepAlive{Idle: ms}, "Idle", "sockopt: Idle 1ms: below 10ms, the smallest that dragonfly accepts"},
		{on("openbsd"), sockopt.KeepAlive{Idle: -2}, "Idle", "sockopt: Idle -2ns: negative, and only -1 may be: it leaves the system's value alone"},
		{on("linux"), sockopt.KeepAlive{Interval: -sec}, "Interval", "sockopt: Interval -1s: negative, and only -1 may be: it leaves the system's value alone"},
		{on("js"), sockopt.KeepAlive{Count: -2}, "Count", "sockopt: Count -2: negative, and only -1 may be: it leaves the system's value alone"},
		{on("linux"), sockopt.KeepAlive{UserTimeout: math.MinInt64}, "UserTimeout", "sockopt: UserTimeout -9223372036.854776s: negative, and only -1 may be: it leaves the system's value alone"},
		{on("linux"), sockopt.KeepAlive{UserTimeout: sec, StallTimeout: 2147483648 * ms}, "StallTimeout", "sockopt: StallTimeout 2147483.648s: above 2147483.647s, the largest that linux accepts"},
		{on("linux"), sockopt.KeepAlive{StallTimeout: -2}, "StallTimeout", "sockopt: StallTimeout -2ns: negative, and only -1 may be: it leaves the system's value alone"},
		{on("js"), sockopt.KeepAlive{Pace: -sec}, "Pace", "sockopt: Pace -1s: negative, and only -1 may be: it leaves the system's value alone"},
		{on("js"), sockopt.KeepAlive{Within: -sec}, "Within", "sockopt: Within(-1s): below 2s, the shortest in which a peer can be asked twice"},
		{on("js"), sockopt.KeepAlive{Within: 5 * sec, Idle: 5 * sec}, "Idle", "sockopt: Idle 5s: not below Within 5s, so that no probe could be sent in time"},
		{on("linux"), sockopt.KeepAlive{Disabled: true, Count: 3}, "Count", "sockopt: Count 3: set, although Disabled is true"},
	} {
		plan, err := test.platform.PlanUnwatched(test.k)
		re, ok := errors.AsType[*sockopt.RangeError](err)
		if !ok || re.Field != test.field || err.Error() != test.want {
			t.Errorf("%v, %v: %v, want %s", test.platform, test.k, err, test.want)
		}
		if len(plan.Ops) != 0 {
			t.Errorf("%v, %v: a refused plan has operations", test.platform, test.k)
		}
	}
}

func TestAPaceOutOfRangeIsAnErrorWhereItWouldBeSet(t *testing.T) {
	for pace, want := range map[time.Duration]string{
		900*ms + 1:    "",
		900 * ms:      "sockopt: Pace 900ms: below 1s, the smallest that linux accepts",
		120 * sec:     "",
		120*sec + 1:   "sockopt: Pace 120.1s: above 120s, the largest that linux accepts",
		sockopt.Never: "sockopt: Pace 9223372036.854776s: above 120s, the largest that linux accepts",
	} {
		_, err := on("linux").Plan(sockopt.KeepAlive{Pace: pace})
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%v: %v, want %q", pace, err, want)
		}
	}
}

func TestLimitsAreAcceptedAndOneMoreOrLessIsNot(t *testing.T) {
	for _, name := range sockopt.Names() {
		for _, f := range []sockopt.Field{sockopt.FieldIdle, sockopt.FieldInterval, sockopt.FieldCount, sockopt.FieldUserTimeout, sockopt.FieldStallTimeout, sockopt.FieldPace} {
			min, max, ok := sockopt.Limits(on(name), f)
			if !ok {
				continue
			}
			for v, accepted := range map[int64]bool{min: true, max: true, max + 1: false} {
				k := sockopt.KeepAlive{Idle: -1, Interval: -1, Count: -1, UserTimeout: -1}
				switch f {
				case sockopt.FieldIdle:
					k.Idle = time.Duration(v)
				case sockopt.FieldInterval:
					k.Interval = time.Duration(v)
				case sockopt.FieldCount:
					if v > math.MaxInt32 && math.MaxInt == math.MaxInt32 {
						continue // no such int on this machine
					}
					k.Count = int(v)
				case sockopt.FieldUserTimeout:
					k.UserTimeout = time.Duration(v)
				case sockopt.FieldStallTimeout:
					k.StallTimeout = time.Duration(v)
				case sockopt.FieldPace:
					k.Pace = time.Duration(v)
				}
				if _, err := on(name).Plan(k); (err == nil) != accepted {
					t.Errorf("%s: %s %d: %v", name, f, v, err)
				}
			}
		}
	}
}

func TestValuesLeftAloneAreNotTouched(t *testing.T) {
	for _, name := range sockopt.Names() {
		plan := mustPlan(t, on(name), sockopt.KeepAlive{Idle: -1, Interval: -1, Count: -1, UserTimeout: -1})
		if plan.Path == "none" {
			continue
		}
		if len(plan.Ops) != 1 || plan.Ops[0].Field != sockopt.FieldKeepAlive || len(plan.Unsupported) != 0 {
			t.Errorf("%s: %v, %q", name, calls(plan), plan.Unsupported)
		}
	}
}

func TestDisabledSwitchesOffAndNothingElse(t *testing.T) {
	for _, name := range sockopt.Names() {
		plan := mustPlan(t, on(name), sockopt.KeepAlive{Disabled: true})
		if plan.Path == "none" {
			if len(plan.Unsupported) != 0 {
				t.Errorf("%s: %q, but off is what it is", name, plan.Unsupported)
			}
			continue
		}
		if len(plan.Ops) != 1 || plan.Ops[0].Name != "SO_KEEPALIVE" || plan.Ops[0].Value != 0 {
			t.Errorf("%s: %v", name, calls(plan))
		}
	}
}

func TestTheZeroValueIsAcceptedEverywhere(t *testing.T) {
	names := sockopt.Names()
	for _, p := range []sockopt.Platform{on("windows", 10, 0, 15063), on("windows", 6, 1), on("windows", 5), on("solaris", 11, 3), on("dragonfly", 5), on("freebsd", 13)} {
		mustPlan(t, p, sockopt.KeepAlive{})
	}
	for _, name := range names {
		mustPlan(t, on(name), sockopt.KeepAlive{})
	}
	plan := mustPlan(t, on("solaris"), sockopt.KeepAlive{})
	want := "interval: the default of 4s is below the smallest that solaris accepts, 10s, which takes its place"
	if !slices.Contains(plan.Unsupported, want) {
		t.Errorf("solaris does not say %q: %q", want, plan.Unsupported)
	}
}

func TestATimeLeftAloneNextToAnIoctlIsSaid(t *testing.T) {
	plan := mustPlan(t, on("windows", 6, 1), sockopt.KeepAlive{Interval: 3 * sec, Idle: -1, Count: 10, UserTimeout: -1})
	want := "idle: SIO_KEEPALIVE_VALS sets both times at once, so the default of 7200s takes the place of the value left alone"
	if !slices.Contains(plan.Unsupported, want) {
		t.Errorf("no %q in %q", want, plan.Unsupported)
	}
}

func TestAFixedCountThatWasAskedForIsNotUnsupported(t *testing.T) {
	plan := mustPlan(t, on("windows", 6, 1), sockopt.KeepAlive{Count: 10})
	if slices.ContainsFunc(plan.Unsupported, func(s string) bool { return strings.HasPrefix(s, "count") }) {
		t.Errorf("%q", plan.Unsupported)
	}
}

func TestVersionsAreReadFromWhatUnameSays(t *testing.T) {
	for s, want := range map[string][3]uint32{
		"6.18.44-fc-v669": {6, 18, 44}, "5.15.0": {5, 15, 0}, "14.1-RELEASE-p5": {14, 1, 0}, "11.4.42.113.1": {11, 4, 42},
		"5.6-RELEASE": {5, 6, 0}, "23": {23, 0, 0}, "": {}, "joyent_20240101": {}, "4.99999999999999": {4, 0, 0}, "6..1": {6, 0, 0},
	} {
		if got := sockopt.ParseVersion(s); got != want {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	}
}

func TestPlatformPrintsItsVersionUnlessUnknown(t *testing.T) {
	for p, want := range map[sockopt.Platform]string{on("linux"): "linux", on("windows", 10, 0, 14393): "windows 10.0.14393"} {
		if p.String() != want {
			t.Errorf("%q, want %q", p, want)
		}
	}
}

func FuzzPlan(f *testing.F) {
	for i := range sockopt.Names() {
		f.Add(uint8(i), uint32(0), uint32(0), uint32(0), uint8(0), false, int64(0), int64(0), 0, int64(0), int64(0), int64(0), int64(0))
		f.Add(uint8(i), uint32(10), uint32(0), uint32(15063), uint8(5), false, int64(sec), int64(3*sec), 10, int64(-1), int64(sec), int64(-1), int64(5*sec))
	}
	f.Add(uint8(2), uint32(6), uint32(1), uint32(0), uint8(255), false, int64(-1), int64(math.MaxInt64), math.MaxInt, int64(1), int64(-1), int64(120*sec), int64(math.MaxInt64))
	f.Add(uint8(0), uint32(0), uint32(0), uint32(0), uint8(1), true, int64(math.MinInt64), int64(math.MaxInt64), math.MinInt, int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MinInt64))
	names := append(sockopt.Names(), "", "beos")
	f.Fuzz(func(t *testing.T, name uint8, major, minor, build uint32, retries2 uint8, disabled bool, idle, interval int64, count int, userTimeout, stallTimeout, pace, within int64) {
		p := on(names[int(name)%len(names)], major, minor, build)
		p.Retries2 = retries2
		k := sockopt.KeepAlive{Within: time.Duration(within), Disabled: disabled, Idle: time.Duration(idle), Interval: time.Duration(interval), Count: count,
			UserTimeout: time.Duration(userTimeout), StallTimeout: time.Duration(stallTimeout), Pace: time.Duration(pace)}
		_, _ = k.Window()
		for _, planFor := range []func(sockopt.KeepAlive) (sockopt.Plan, error){p.Plan, p.PlanUnwatched} {
			plan, err := planFor(k)
			if err != nil {
				if _, ok := errors.AsType[*sockopt.RangeError](err); !ok {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			checkOps(t, plan)
			checkEffective(t, plan)
			checkPace(t, k, plan)
			checkWindow(t, plan)
			if again, err := planFor(k); err != nil || !slices.Equal(again.Ops, plan.Ops) || again.Effective != plan.Effective {
				t.Fatal("the same request gave another plan")
			}
		}
	})
}

// checkPace: in the range or the system's, never without a watch, and never so
// short that the kernel gives up earlier than it does by itself, unless that was
// asked for.
func checkPace(t *testing.T, k sockopt.KeepAlive, plan sockopt.Plan) {
	pace, promise := plan.Effective.Pace, plan.Asked.Within
	if promise == 0 {
		promise = plan.Asked.UserTimeout
	}
	switch {
	case pace == -1:
	case pace < sec || pace > 120*sec || !plan.Watched:
		t.Fatalf("%v: pace %v", plan.Platform, pace)
	case k.Pace != 0 && pace < k.Pace:
		t.Fatalf("%v: pace %v for %v", plan.Platform, pace, k.Pace)
	case k.Pace == 0 && sockopt.LastAsking(pace, plan.Platform) < promise:
		t.Fatalf("%v: pace %v ends %v before its time", plan.Platform, pace, plan.Asked)
	}
}

// checkOps: SO_KEEPALIVE first, each field once, only what was asked for.
func checkOps(t *testing.T, plan sockopt.Plan) {
	seen := make(map[sockopt.Field]bool)
	for i, o := range plan.Ops {
		if (i == 0) != (o.Field == sockopt.FieldKeepAlive) || seen[o.Field] {
			t.Fatalf("%v: order %v", plan.Platform, calls(plan))
		}
		seen[o.Field] = true
		asked := sockopt.Value(plan.Asked, o.Field) >= 0
		if o.Call == "WSAIoctl" {
			asked = plan.Asked.Idle >= 0 || plan.Asked.Interval >= 0
			if o.Words[0] != 1 || o.Words[1] == 0 || o.Words[2] == 0 {
				t.Fatalf("%v", o)
			}
		}
		if o.Field == sockopt.FieldUserTimeout && !plan.Watched {
			asked = asked || plan.Asked.StallTimeout > 0 // one option for both
		}
		if !asked || o.Value < 0 || o.Value > math.MaxInt32 {
			t.Fatalf("%v: %v for %v", plan.Platform, o, plan.Asked)
		}
	}
}

// checkEffective: within the platform's ranges, or -1, or the fixed count; only
// the user timeout takes the count elsewhere, and only without a watch the user
// timeout's own value.
func checkEffective(t *testing.T, plan sockopt.Plan) {
	shares := slices.Contains([]string{"linux", "android", "freebsd"}, plan.Platform.GOOS)
	if e := plan.Effective; shares && e.UserTimeout != e.StallTimeout {
		t.Fatalf("%v: %v, but one option is both", plan.Platform, e)
	}
	for _, f := range []sockopt.Field{sockopt.FieldIdle, sockopt.FieldInterval, sockopt.FieldCount, sockopt.FieldUserTimeout, sockopt.FieldStallTimeout} {
		v := sockopt.Value(plan.Effective, f)
		min, max, ok := sockopt.Limits(plan.Platform, f)
		if f == sockopt.FieldUserTimeout && shares {
			min, max, ok = sockopt.Limits(plan.Platform, sockopt.FieldStallTimeout)
		}
		switch {
		case v == -1:
		case f == sockopt.FieldUserTimeout && shares && plan.Watched && plan.Asked.StallTimeout <= 0:
			t.Fatalf("%v: a user timeout of %v ends a stalled connection", plan.Platform, plan.Effective.UserTimeout)
		case f == sockopt.FieldCount && int(v) == sockopt.FixedCount(plan.Platform):
		case f == sockopt.FieldCount && plan.Effective.UserTimeout > 0 && v >= 1:
		case !ok || v < min || v > max:
			t.Fatalf("%v: effective %s %d is not within %d to %d", plan.Platform, f, v, min, max)
		}
		shortened := f == sockopt.FieldCount || f == sockopt.FieldInterval || f == sockopt.FieldUserTimeout && shares && plan.Watched
		if asked := sockopt.Value(plan.Asked, f); !shortened && v >= 0 && asked > v {
			t.Fatalf("%v: effective %s is %d, shorter than the %d asked for", plan.Platform, f, v, asked)
		}
	}
}

func checkWindow(t *testing.T, plan sockopt.Plan) {
	earliest, latest := plan.Window()
	e := plan.Effective
	byWatch := plan.Watched && slices.Contains([]string{"linux", "android"}, plan.Platform.GOOS) && plan.Asked.Within > 0
	switch {
	case byWatch && !e.Disabled && latest > plan.Asked.Within-250*ms:
		t.Fatalf("%v: %v to %v", plan.Asked, earliest, latest)
	case byWatch && !e.Disabled && latest == plan.Asked.Within-250*ms:
		if e.Idle >= 0 && earliest != max(0, latest-e.Idle) {
			t.Fatalf("%v: %v to %v", plan.Asked, earliest, latest)
		}
	case e.Disabled:
		if earliest != sockopt.Never || latest != sockopt.Never {
			t.Fatalf("off, but %v to %v", earliest, latest)
		}
	case earliest < 0 || latest < earliest:
		t.Fatalf("%v to %v", earliest, latest)
	case e.Idle >= 0 && e.Interval >= 0 && e.Count >= 0 && latest != sockopt.Never:
		if want := e.Interval * time.Duration(e.Count); earliest != want || latest != want+e.Idle {
			t.Fatalf("%v: %v to %v", e, earliest, latest)
		}
	}
}
