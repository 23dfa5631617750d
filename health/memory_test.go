package health

import (
	"testing"
	"time"
)

// look is one look at a connection, and what must be made of it. Times are in
// seconds.
type look struct {
	at, silence      float64
	probes           int
	inFlight, queued bool // queued: written, and not sent for want of a window
	want             verdict
}

type verdict uint8

const (
	fine verdict = iota
	suspect
	expired
)

func secs(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

func (l look) glimpse(rtt time.Duration) glimpse {
	return glimpse{
		probes:   l.probes,
		inFlight: l.inFlight,
		pending:  l.inFlight || l.queued,
		silence:  secs(l.silence),
		rtt:      rtt,
	}
}

func TestJudgement(t *testing.T) {
	t.Parallel()
	within30 := Limits{Idle: 13 * time.Second, Silence: 25 * time.Second}
	short := Limits{Idle: 2 * time.Second, Silence: 4 * time.Second}
	for _, test := range []struct {
		name   string
		limits Limits
		rtt    time.Duration
		looks  []look
	}{
		{"idle, every probe answered between two looks", within30, 0, []look{
			{at: 13.02, silence: 13.02, probes: 1},
			{at: 13.27, silence: 0.25},
			{at: 26.05, silence: 13.03, probes: 1},
			{at: 26.30, silence: 0.24},
		}},
		{"a probe in flight at each of two looks, but not the same one", short, 0, []look{
			{at: 2.0, silence: 2.0, probes: 1},
			{at: 4.1, silence: 2.05, probes: 1},
			{at: 6.2, silence: 2.05, probes: 1},
		}},
		{"a probe unanswered at the third look, then answered", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1},
			{at: 2.35, silence: 2.35, probes: 1},
			{at: 2.6, silence: 2.6, probes: 1, want: suspect},
			{at: 2.85, silence: 0.1},
			{at: 4.9, silence: 2.1, probes: 1},
			{at: 5.2, silence: 2.4, probes: 1},
			{at: 5.4, silence: 2.6, probes: 1, want: suspect},
		}},
		{"a peer far away has two round trips more", within30, 600 * time.Millisecond, []look{
			{at: 13.1, silence: 13.1, probes: 1},
			{at: 14.6, silence: 14.6, probes: 1},
			{at: 14.8, silence: 14.8, probes: 1, want: suspect},
		}},
		{"two probes are enough at first sight", short, 0, []look{
			{at: 3.1, silence: 3.1, probes: 2, want: suspect},
		}},
		{"data unacknowledged for a quarter of the silence", Limits{Silence: 8 * time.Second}, 0, []look{
			{at: 0, silence: 0, inFlight: true},
			{at: 1.9, silence: 1.9, inFlight: true},
			{at: 2, silence: 2, inFlight: true, want: suspect},
			{at: 3, silence: 0.1},
		}},
		{"data always in flight, and always acknowledged", Limits{Silence: 8 * time.Second}, 0, []look{
			{at: 0, silence: 0, inFlight: true},
			{at: 1, silence: 0.01, inFlight: true},
			{at: 2, silence: 0.01, inFlight: true},
			{at: 3, silence: 0.01, inFlight: true},
			{at: 10, silence: 0.01, inFlight: true},
		}},
		{"an idle connection is for the kernel to end", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1},
			{at: 4, silence: 4, probes: 3, want: suspect},
			{at: 4000, silence: 4000, probes: 99, want: suspect},
		}},
		{"a window closed for ever, every window probe answered", short, 0, []look{
			{at: 1, silence: 0.2, queued: true},
			{at: 5, silence: 0.3, queued: true, probes: 1},
			{at: 5.4, silence: 0.7, queued: true, probes: 1}, // the answers are at least half a second apart
			{at: 5.6, silence: 0.9, queued: true, probes: 2},
			{at: 10, silence: 3.9, queued: true},
			{at: 60, silence: 50, queued: true}, // and the probes ever further
			{at: 100, silence: 0.2, queued: true},
		}},
		{"a window closed, and silence", short, 0, []look{
			{at: 1, silence: 0.2, queued: true},
			{at: 2, silence: 1.2, queued: true, probes: 1},
			{at: 2.9, silence: 2.1, queued: true, probes: 2},
			{at: 3, silence: 2.2, queued: true, probes: 2, want: suspect},
			{at: 4.7, silence: 3.9, queued: true, probes: 3, want: suspect},
			{at: 4.8, silence: 4, queued: true, probes: 3, want: expired},
		}},
		{"written into the silence of an idle connection", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1},
			{at: 3.4, silence: 3.4, probes: 2, want: suspect},
			{at: 3.6, silence: 3.6, probes: 2, inFlight: true, want: suspect},
			{at: 4, silence: 4, probes: 2, inFlight: true, want: suspect},
			{at: 4.1, silence: 4.1, probes: 2, inFlight: true, want: expired},
		}},
		{"written late, and answered late", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1},
			{at: 3.9, silence: 3.9, inFlight: true, probes: 1, want: suspect},
			{at: 4.05, silence: 0.02},
		}},
		{"without keepalive the whole silence counts from the write", Limits{Silence: 4 * time.Second}, 0, []look{
			{at: 3600, silence: 3600, inFlight: true},
			{at: 3601, silence: 3601, inFlight: true, want: suspect},
			{at: 3603.9, silence: 3603.9, inFlight: true, want: suspect},
			{at: 3604, silence: 3604, inFlight: true, want: expired},
		}},
		{"an idle time beyond the silence leaves half of it", Limits{Idle: time.Hour, Silence: 4 * time.Second}, 0, []look{
			{at: 100, silence: 100, inFlight: true},
			{at: 101.9, silence: 101.9, inFlight: true, want: suspect},
			{at: 102, silence: 102, inFlight: true, want: expired},
		}},
		{"without limits nothing expires", Limits{}, 0, []look{
			{at: 1, silence: 1, inFlight: true},
			{at: 1e6, silence: 1e6, inFlight: true},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			var m memory
			for _, l := range test.looks {
				j := m.judge(l.glimpse(test.rtt), test.limits, start.Add(secs(l.at)))
				got := fine
				switch {
				case j.expired:
					got = expired
				case j.suspect:
					got = suspect
				}
				if got != l.want {
					t.Errorf("%+v: got %d", l, got)
				}
			}
		})
	}
}

func TestAfterASleepEverythingIsSuspectUntilThePeerIsHeard(t *testing.T) {
	t.Parallel()
	limits := Limits{Idle: 13 * time.Second, Silence: 25 * time.Second}
	woke := time.Now()
	m := memory{woke: woke}
	for _, l := range []look{
		{at: 0, silence: 5, want: suspect},
		{at: 0.25, silence: 5.25, want: suspect},
		{at: 9, silence: 14, probes: 1, want: suspect},
		{at: 9.25, silence: 0.2},
		{at: 10, silence: 0.95},
	} {
		j := m.judge(l.glimpse(0), limits, woke.Add(secs(l.at)))
		if j.suspect != (l.want == suspect) || j.expired {
			t.Errorf("%+v: %+v", l, j)
		}
	}
	if !m.woke.IsZero() {
		t.Error("the sleep is not forgotten")
	}
}

func TestALookIsTakenWhenThereIsSomethingToSee(t *testing.T) {
	t.Parallel()
	within30 := Limits{Idle: 13 * time.Second, Silence: 25 * time.Second}
	for _, test := range []struct {
		name    string
		limits  Limits
		silence float64
		probes  int
		suspect bool
		want    time.Duration
	}{
		{"at rest", within30, 0, 0, false, 25 * time.Second / 8},
		{"just before the probe is due", within30, 12, 0, false, time.Second},
		{"when it is due", within30, 13, 0, false, pauseLeast},
		{"with a probe in flight", within30, 13, 1, false, pauseLeast},
		{"while suspect", within30, 1, 0, true, pauseLeast},
		{"a short idle time", Limits{Idle: time.Second, Silence: time.Hour}, 0, 0, false, time.Second},
		{"a long one", Limits{Idle: 2 * time.Hour}, 0, 0, false, pauseMost},
		{"a short silence", Limits{Silence: time.Millisecond}, 0, 0, false, pauseLeast},
		{"no limits", Limits{}, 1e6, 0, false, pauseMost},
	} {
		m := memory{suspect: test.suspect}
		g := glimpse{silence: secs(test.silence), probes: test.probes}
		if got := m.pause(g, test.limits); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestForHowLongADeadPeerHasOwedAnAnswer(t *testing.T) {
	t.Parallel()
	limits := Limits{Idle: 8 * time.Second, Silence: 20 * time.Second}
	for _, test := range []struct {
		name   string
		limits Limits
		cause  Cause
		info   Info
		want   time.Duration
	}{
		{"idle", limits, KeepAliveTimeout, Info{SinceAck: secs(20), SinceReceived: secs(30)}, secs(11)},
		{"a silence that had begun just before", limits, KeepAliveTimeout, Info{SinceAck: secs(8.5), SinceReceived: secs(8.5)}, 0},
		{"an idle time that is not known", Limits{}, KeepAliveTimeout, Info{SinceAck: secs(20), SinceReceived: secs(20)}, 0},
		{"data under way", limits, SendTimeout, Info{SinceAck: secs(25), SinceReceived: secs(25), UserTimeout: secs(20)}, secs(20)},
		{"data under way, and a shorter silence", limits, SendTimeout, Info{SinceAck: secs(3), SinceReceived: secs(3), UserTimeout: secs(20)}, secs(3)},
		{"a peer that spoke", limits, Reset, Info{SinceAck: secs(20), SinceReceived: secs(20), UserTimeout: secs(20)}, 0},
	} {
		if got := test.limits.unanswered(test.cause, test.info); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
