package sockopt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a socket of a system that is not running here.
type fake struct {
	missing []string       // symbols that answer errMissing
	refuse  map[string]int // symbols that answer another error, by number
	unread  bool           // nothing can be read back
	off     int            // added to what is held
	path    time.Duration  // the retransmission timeout
	held    map[string]int
	calls   []string
}

var errMissing = errors.New("no such option")

func (f *fake) set(o Op) error {
	f.calls = append(f.calls, o.String())
	if slices.Contains(f.missing, o.Name) {
		return errMissing
	}
	if n, ok := f.refuse[o.Name]; ok {
		return fmt.Errorf("error %d", n)
	}
	if f.held == nil {
		f.held = make(map[string]int)
	}
	f.held[o.Name] = o.Value + f.off
	return nil
}

func (f *fake) get(o Op) (int, error) {
	v, ok := f.held[o.Name]
	if !ok || f.unread {
		return 0, errMissing
	}
	return v, nil
}

func (f *fake) rto() time.Duration { return f.path }

func (f *fake) lacks(err error) bool { return errors.Is(err, errMissing) }

func planFor(t *testing.T, p Platform, k KeepAlive) Plan {
	t.Helper()
	plan, err := p.Plan(k)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// call returns how often a symbol was called, and the last call.
func (f *fake) call(symbol string) (n int, last string) {
	for _, c := range f.calls {
		if strings.Contains(c, symbol) {
			n, last = n+1, c
		}
	}
	return n, last
}

func TestWindowsFallsBackToTheIoctlWhateverTheVersionClaims(t *testing.T) {
	const second = time.Second
	newest, mixed := Platform{GOOS: "windows", Major: 10, Build: 22631}, Platform{GOOS: "windows", Major: 10, Build: 15063}
	asked := KeepAlive{Idle: second, Interval: 3 * second, Count: 2}
	for _, test := range []struct {
		name      string
		claims    Platform
		asked     KeepAlive
		missing   []string
		path      string
		ioctl     string // the last, "" for none
		interval  time.Duration
		count     int
		countHeld bool
	}{
		{"nothing is missing", newest, asked, nil, pathOptions, "", 3 * second, 2, true},
		{"no times", newest, asked, []string{"TCP_KEEPIDLE", "TCP_KEEPINTVL"}, pathMixed, "{1, 1000 ms, 3000 ms}", 3 * second, 2, true},
		{"no interval", newest, asked, []string{"TCP_KEEPINTVL"}, pathMixed, "{1, 1000 ms, 3000 ms}", 3 * second, 2, true},
		{"none of the three", newest, asked, []string{"TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"}, pathIoctl, "{1, 1000 ms, 600 ms}", 600 * time.Millisecond, 10, false},
		{"no count", newest, asked, []string{"TCP_KEEPCNT"}, pathIoctl, "{1, 1000 ms, 600 ms}", 600 * time.Millisecond, 10, false},
		{"no count after all", mixed, asked, []string{"TCP_KEEPCNT"}, pathIoctl, "{1, 1000 ms, 600 ms}", 600 * time.Millisecond, 10, false},
		{"no count, which the system has anyway", newest, KeepAlive{Idle: second, Interval: 3 * second, Count: 10}, []string{"TCP_KEEPCNT"}, pathIoctl, "{1, 1000 ms, 3000 ms}", 3 * second, 10, true},
	} {
		f := &fake{missing: test.missing}
		r := planFor(t, test.claims, test.asked).apply(f)
		if r.Path != test.path || r.Effective.Interval != test.interval || r.Effective.Count != test.count {
			t.Errorf("%s: path %s, effective %v", test.name, r.Path, r.Effective)
		}
		if _, last := f.call("WSAIoctl"); !strings.Contains(last, test.ioctl) || (last == "") != (test.ioctl == "") {
			t.Errorf("%s: ioctl %q, want %q", test.name, last, test.ioctl)
		}
		if n, _ := f.call("SO_KEEPALIVE"); n != 1 {
			t.Errorf("%s: SO_KEEPALIVE set %d times", test.name, n)
		}
		if n, _ := f.call("TCP_MAXRT"); n != 1 {
			t.Errorf("%s: TCP_MAXRT set %d times", test.name, n)
		}
		if err := r.Err(); (err == nil) != test.countHeld || err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := r.refused(); err != nil {
			t.Errorf("%s: refused: %v", test.name, err)
		}
		if earliest, latest := r.Window(); earliest != test.asked.Interval*time.Duration(test.asked.Count) || latest != earliest+second {
			t.Errorf("%s: window %v to %v", test.name, earliest, latest)
		}
	}
}

func TestThereIsNoFallbackFromTheIoctlItself(t *testing.T) {
	f := &fake{missing: []string{"SIO_KEEPALIVE_VALS"}}
	r := planFor(t, Platform{GOOS: "windows", Major: 6}, KeepAlive{}).apply(f)
	if n, _ := f.call("WSAIoctl"); n != 1 {
		t.Errorf("%d ioctls", n)
	}
	for _, o := range r.Options[1:3] {
		if o.Status() != "refused" || !errors.Is(o.Err, errMissing) {
			t.Errorf("%v", o)
		}
	}
	if err := r.refused(); err == nil || !strings.Contains(err.Error(), "SIO_KEEPALIVE_VALS (idle 13000ms)") {
		t.Errorf("refused: %v", err)
	}
}

func TestARefusedOptionDropsNoOther(t *testing.T) {
	for _, symbol := range []string{"SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_RTO_MAX_MS"} {
		f := &fake{refuse: map[string]int{symbol: 92}}
		r := planFor(t, Platform{GOOS: "linux"}, KeepAlive{StallTimeout: time.Minute, Pace: time.Second}).apply(f)
		if len(f.calls) != 6 || len(f.held) != 5 {
			t.Errorf("%s refused: %d calls, %d held", symbol, len(f.calls), len(f.held))
		}
		for _, o := range r.Options {
			want := "set"
			switch {
			case o.Name == symbol:
				want = "refused"
			case o.Field == FieldUserTimeout:
				want = "left alone"
			}
			if o.Status() != want {
				t.Errorf("%s refused: %v", symbol, o)
			}
		}
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), symbol) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s refused: %v", symbol, err)
		}
	}
}

func TestAValueThatTheKernelChangesIsReported(t *testing.T) {
	f := &fake{off: 2}
	r := planFor(t, Platform{GOOS: "netbsd"}, KeepAlive{UserTimeout: -1}).apply(f)
	err := r.Err()
	if err == nil || !strings.Contains(err.Error(), "sockopt: TCP_KEEPIDLE (idle 13s): the kernel holds 15 s") {
		t.Errorf("%v", err)
	}
	if got := r.Options[0].String(); got != "SO_KEEPALIVE (keepalive): asked 1, got 1: set" {
		t.Errorf("SO_KEEPALIVE held as another true value: %s", got)
	}
}

func TestWhatCannotBeReadBackIsTrusted(t *testing.T) {
	r := planFor(t, Platform{GOOS: "linux"}, KeepAlive{}).apply(&fake{unread: true})
	if err := r.Err(); err != nil {
		t.Errorf("%v", err)
	}
	if want := (KeepAlive{Idle: -1, Interval: -1, Count: -1, UserTimeout: -1, StallTimeout: -1, Pace: -1}); r.Got != want {
		t.Errorf("got %v", r.Got)
	}
}

func TestUnsupportedOptionsAreInTheReportByName(t *testing.T) {
	r := planFor(t, Platform{GOOS: "openbsd"}, KeepAlive{Count: -1}).apply(&fake{})
	var status []string
	for _, o := range r.Options {
		status = append(status, o.Status())
	}
	if want := []string{"set", "unsupported", "unsupported", "left alone", "left alone", "left alone", "left alone"}; !slices.Equal(status, want) {
		t.Errorf("%q, want %q", status, want)
	}
	err := r.Err()
	if !errors.Is(err, errors.ErrUnsupported) || !strings.HasPrefix(err.Error(), "sockopt: idle 13s: openbsd has no option for it") {
		t.Errorf("%v", err)
	}
	if err := r.refused(); err != nil {
		t.Errorf("refused: %v", err)
	}
}

func TestOldSolarisReadsItsOneIntervalBack(t *testing.T) {
	r := planFor(t, Platform{GOOS: "solaris", Major: 11, Minor: 3}, KeepAlive{}).apply(&fake{})
	if r.Got.Interval != 12*time.Second || r.Got.Count != 1 {
		t.Errorf("%v", r.Got)
	}
	if earliest, latest := r.Window(); earliest != 12*time.Second || latest != 25*time.Second {
		t.Errorf("%v to %v", earliest, latest)
	}
}

func TestAPaceThatNobodyAskedForMayBeRefused(t *testing.T) {
	for _, asked := range []time.Duration{0, 3 * time.Second} {
		f := &fake{missing: []string{"TCP_RTO_MAX_MS"}}
		r := planFor(t, Platform{GOOS: "linux"}, KeepAlive{Pace: asked}).apply(f)
		o := r.Options[6]
		if o.Err == nil || o.Optional != (asked == 0) || (r.Err() == nil) != (asked == 0) || (o.Status() == "unsupported") != (asked == 0) {
			t.Errorf("pace %v: %v, %v", asked, o, r.Err())
		}
	}
}

func TestThePaceIsRaisedToTwiceTheTimeoutOfThePath(t *testing.T) {
	for _, test := range []struct {
		asked, path, want time.Duration
	}{
		{0, 0, 2500 * time.Millisecond},
		{0, 201 * time.Millisecond, 2500 * time.Millisecond},
		{0, 1300 * time.Millisecond, 3 * time.Second},
		{time.Second, 501 * time.Millisecond, 2 * time.Second},
		{time.Second, 500 * time.Millisecond, time.Second},
		{0, 100 * time.Second, 120 * time.Second},
	} {
		plan := planFor(t, Platform{GOOS: "linux"}, KeepAlive{Pace: test.asked})
		before := slices.Clone(plan.Ops)
		f := &fake{path: test.path}
		r := plan.apply(f)
		o := r.Options[6]
		if held := time.Duration(f.held["TCP_RTO_MAX_MS"]) * time.Millisecond; held != test.want || r.Effective.Pace != test.want || r.Got.Pace != test.want {
			t.Errorf("%v on a path of %v: %v, want %v: %v", test.asked, test.path, held, test.want, r.Effective)
		}
		if o.Asked != test.want.Milliseconds() || o.Err != nil || r.Asked != plan.Asked || r.Err() != nil || !slices.Equal(plan.Ops, before) {
			t.Errorf("%v on a path of %v: %v, %v", test.asked, test.path, o, r.Err())
		}
	}
}

func TestASplitPlanSetsEachValueOnceAndAgainWhatIsNotHeld(t *testing.T) {
	early, late := planFor(t, Platform{GOOS: "linux"}, KeepAlive{StallTimeout: time.Minute}).Split()
	if len(early.Ops) != 4 || len(late.Ops) != 6 {
		t.Fatalf("%v, %v", early.Ops, late.Ops)
	}
	for _, test := range []struct {
		name  string
		early bool
		f     fake
		calls int
	}{
		{"held", true, fake{}, 4 + 2},
		{"not set before", false, fake{}, 2 + 6},
		{"held as something else", true, fake{off: 1}, 4 + 2 + 6},
		{"not to be read", true, fake{unread: true}, 4 + 2 + 6},
		{"refused", true, fake{refuse: map[string]int{"TCP_KEEPCNT": 22}}, 4 + 2 + 6},
		{"no pace, which nobody has asked for", true, fake{missing: []string{"TCP_RTO_MAX_MS"}}, 4 + 2},
	} {
		f := test.f
		if test.early {
			set(&f, early.Ops, calls{})
		}
		r := late.apply(&f)
		if len(f.calls) != test.calls {
			t.Errorf("%s: %d calls, want %d: %q", test.name, len(f.calls), test.calls, f.calls)
		}
		whole := test.f
		whole.calls, whole.held = nil, nil
		if want := planFor(t, Platform{GOOS: "linux"}, KeepAlive{StallTimeout: time.Minute}).apply(&whole); want.String() != r.String() {
			t.Errorf("%s: %v, want %v", test.name, r, want)
		}
	}
}

func TestWhereTheTimesAreSetByAnIoctlASplitPlanIsAppliedWhole(t *testing.T) {
	early, late := planFor(t, Platform{GOOS: "windows", Major: 6}, KeepAlive{}).Split()
	f := new(fake)
	set(f, early.Ops, calls{})
	r := late.apply(f)
	if n, _ := f.call("WSAIoctl"); n != 2 || r.Path != pathIoctl {
		t.Errorf("%d ioctls, %v", n, r)
	}
}

func TestNoPartOfAPlanThatHasNoCallsIsSetBefore(t *testing.T) {
	early, late := planFor(t, Platform{GOOS: "plan9"}, KeepAlive{}).Split()
	if len(early.Ops) != 0 || len(late.Ops) != 0 || early.Set(nil) != nil {
		t.Errorf("%v, %v", early, late)
	}
}
