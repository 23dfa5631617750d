package deathwatch

import (
	"testing"
	"time"
)

// look is one look at a connection, and what must be made of it. Times are in
// seconds.
type look struct {
	at, silence      float64
	until            float64 // the same again after each pause, with the silence going on
	probes, timeouts int
	resent           int
	sent             float64 // ago, the last data
	inFlight, queued bool    // queued: written, and not sent for want of a window
	want             finding
}

type finding uint8

const (
	fine    finding = iota
	asks            // fine, but the peer is asked
	suspect         // and asked, if it can be
	gone
)

func secs(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

func (l look) sample(rtt time.Duration) sample {
	return sample{
		probes:   l.probes,
		timeouts: l.timeouts,
		resent:   l.resent,
		sent:     secs(l.sent),
		inFlight: l.inFlight,
		pending:  l.inFlight || l.queued,
		silence:  secs(l.silence),
		rtt:      rtt,
	}
}

func (a assessment) finding() finding {
	switch {
	case a.silent:
		return gone
	case a.suspect:
		return suspect
	case a.ask:
		return asks
	}
	return fine
}

func TestWhatALookLeadsTo(t *testing.T) {
	t.Parallel()
	within30 := Limits{Idle: 13 * time.Second, Silence: 29700 * time.Millisecond, Ask: true}
	within3 := Limits{Idle: time.Second, Silence: 2800 * time.Millisecond, Ask: true}
	short := Limits{Idle: 2 * time.Second, Silence: 4 * time.Second, Ask: true}
	for _, test := range []struct {
		name   string
		limits Limits
		rtt    time.Duration
		looks  []look
	}{
		{"idle, every probe answered between two looks", within30, 0, []look{
			{at: 13.02, silence: 13.02, probes: 1, want: asks},
			{at: 13.27, silence: 0.25},
			{at: 26.05, silence: 13.03, probes: 1, want: asks},
			{at: 26.30, silence: 0.24},
		}},
		{"one probe lost, the next one answered", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1, want: asks},
			{at: 2.35, silence: 0.25},
			{at: 4.4, silence: 2.1, probes: 1, want: asks},
			{at: 4.65, silence: 0.24},
		}},
		{"one asking after the other unanswered, the fifth answered", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1, want: asks},
			{at: 2.2, until: 2.6, silence: 2.2, probes: 2, want: asks},
			{at: 2.7, until: 2.8, silence: 2.7, probes: 4, want: suspect},
			{at: 2.9, silence: 0.1},
		}},
		{"without asking the kernel decides, and may ask only once", Limits{Idle: time.Second, Silence: 4 * time.Second}, 0, []look{
			{at: 1.1, until: 1.35, silence: 1.1, probes: 1},
			{at: 1.65, until: 2, silence: 1.65, probes: 1, want: suspect},
			{at: 40, silence: 40, probes: 30, want: suspect},
		}},
		{"silence to the end of the budget", within3, 0, []look{
			{at: 1.1, silence: 1.1, probes: 1, want: asks},
			{at: 1.2, until: 1.6, silence: 1.2, probes: 3, want: asks},
			{at: 1.7, until: 2.7, silence: 1.7, probes: 9, want: suspect},
			{at: 2.8, silence: 2.8, probes: 10, want: gone},
		}},
		{"a budget with too few askings in it is longer", within3, 0, []look{
			{at: 2.7, silence: 2.7, probes: 1, want: asks},
			{at: 2.8, until: 3.2, silence: 2.8, probes: 3, want: asks},
			{at: 3.3, until: 4.0, silence: 3.3, probes: 9, want: suspect},
			{at: 4.2, silence: 4.2, probes: 14, want: gone},
		}},
		{"a process that stood still asks again", within3, 0, []look{
			{at: 1.1, silence: 1.1, probes: 1, want: asks},
			{at: 60, until: 60.5, silence: 60, probes: 40, want: asks}, // the kernel went on asking
			{at: 60.6, until: 61.3, silence: 60.6, probes: 45, want: suspect},
			{at: 61.4, silence: 0.1},
		}},
		{"a machine that stood still with a segment in flight", short, 0, []look{
			{at: 0.5, silence: 0.3, inFlight: true},
			{at: 33, silence: 32.8, timeouts: 1, inFlight: true},
			{at: 33.2, silence: 0.1},
		}},
		{"a peer far away has the time of its path", within30, 2 * time.Second, []look{
			{at: 13.1, silence: 13.1, probes: 1, want: asks},
			{at: 14.6, silence: 14.6, probes: 1},
			{at: 15.3, silence: 15.3, probes: 1, want: asks},
			{at: 15.4, silence: 2.1},
		}},
		{"data far away is no silence at its first retransmission", within30, 2 * time.Second, []look{
			{at: 1, silence: 1, inFlight: true},
			{at: 4, silence: 4, timeouts: 1, inFlight: true},
			{at: 4.5, silence: 2.3},
		}},
		{"data, and silence", short, 0, []look{
			{at: 1, silence: 1, timeouts: 2, inFlight: true},
			{at: 1.25, silence: 1.25, timeouts: 2, inFlight: true, want: suspect},
			{at: 1.5, until: 3.75, silence: 1.5, timeouts: 4, inFlight: true, want: suspect},
			{at: 4, silence: 4, timeouts: 5, inFlight: true, want: gone},
		}},
		{"of data in flight it is known when it was sent last", short, 240 * time.Millisecond, []look{
			{at: 2.44, until: 3.54, silence: 2.44, timeouts: 2, inFlight: true, sent: 1, want: suspect},
			{at: 3.64, silence: 3.64, timeouts: 3, inFlight: true, sent: 0.09, want: suspect},
			{at: 3.74, silence: 3.74, timeouts: 3, inFlight: true, sent: 0.19, want: suspect},
			{at: 3.84, silence: 3.84, timeouts: 3, inFlight: true, sent: 0.29, want: suspect},
			{at: 3.94, silence: 3.94, timeouts: 3, inFlight: true, sent: 0.39, want: suspect},
			{at: 4.04, silence: 4.04, timeouts: 3, inFlight: true, sent: 0.49, want: gone},
		}},
		{"a retransmission that was answered before the next look is not counted again", short, 0, []look{
			{at: 1, silence: 0.1},
			{at: 2, silence: 0.3, resent: 1}, // that was of a request, which is acknowledged
			{at: 4.5, silence: 2.8, timeouts: 1, resent: 2, inFlight: true},
			{at: 4.8, until: 5.6, silence: 3.1, timeouts: 1, resent: 2, inFlight: true},
			{at: 6.1, silence: 4.4, timeouts: 1, resent: 2, inFlight: true},
		}},
		{"keepalive is switched off in a doubt: nobody asks, and nobody doubts", Limits{Silence: 4 * time.Second, Ask: true}, 0, []look{
			{at: 5, until: 9, silence: 5, probes: 9},
		}},
		{"data always in flight, and always acknowledged", short, 0, []look{
			{at: 0, silence: 0, inFlight: true},
			{at: 1, silence: 0.01, inFlight: true},
			{at: 2, silence: 0.01, inFlight: true},
			{at: 3, silence: 0.01, inFlight: true},
			{at: 10, silence: 0.01, inFlight: true},
		}},
		{"a window that shut over data in flight, every retransmission answered", short, 0, []look{
			{at: 1, silence: 0.5, timeouts: 3, queued: true},
			{at: 2, silence: 0.2, timeouts: 4, queued: true},
			{at: 3, silence: 1.2, timeouts: 5, inFlight: true},
			{at: 3.3, silence: 0.3, timeouts: 5, queued: true},
		}},
		{"a window closed for ever, every window probe answered", short, 0, []look{
			{at: 1, silence: 0.2, queued: true},
			{at: 5, silence: 0.3, queued: true, probes: 1},
			{at: 5.4, silence: 0.7, queued: true, probes: 2}, // the answers are at least half a second apart
			{at: 5.6, silence: 0.9, queued: true, probes: 3},
			{at: 10, silence: 3.9, queued: true},
			{at: 60, silence: 50, queued: true}, // and the probes ever further
			{at: 100, silence: 0.2, queued: true},
		}},
		{"one lost probe of a window that has long been closed", short, 0, []look{
			{at: 100, silence: 50, queued: true},
			{at: 150, silence: 100, queued: true, probes: 1},
			{at: 150.3, silence: 100.3, queued: true, probes: 1},
			{at: 200, silence: 0.1, queued: true},
		}},
		{"a window closed, and silence", short, 0, []look{
			{at: 1, silence: 0.2, queued: true},
			{at: 2, silence: 1.2, queued: true, probes: 1},
			{at: 3.1, silence: 2.3, queued: true, probes: 2},
			{at: 4.2, silence: 3.4, queued: true, probes: 3},
			{at: 4.5, until: 5, silence: 3.7, queued: true, probes: 3, want: suspect},
			{at: 5.2, until: 5.3, silence: 4.4, queued: true, probes: 4, want: suspect},
			{at: 5.45, silence: 4.65, queued: true, probes: 4, want: gone},
		}},
		{"written into the silence of an idle connection", short, 0, []look{
			{at: 2.1, silence: 2.1, probes: 1, want: asks},
			{at: 2.2, until: 2.6, silence: 2.2, probes: 2, want: asks},
			{at: 2.7, silence: 2.7, probes: 3, want: suspect},
			{at: 2.8, until: 3.8, silence: 2.8, probes: 3, timeouts: 1, inFlight: true, want: suspect},
			{at: 4, silence: 4, probes: 3, timeouts: 2, inFlight: true, want: gone},
		}},
		{"without keepalive the silence of a write alone", Limits{Silence: 4 * time.Second}, 0, []look{
			{at: 3600, silence: 3600, inFlight: true},
			{at: 3600.7, silence: 3600.7, timeouts: 2, inFlight: true},
			{at: 3600.95, silence: 3600.95, timeouts: 2, inFlight: true, want: suspect},
			{at: 3601.2, silence: 3601.2, timeouts: 3, inFlight: true, want: suspect},
			{at: 3601.45, silence: 3601.45, timeouts: 3, inFlight: true, want: gone},
		}},
		{"without limits nothing is ever gone", Limits{}, 0, []look{
			{at: 1, silence: 1, inFlight: true},
			{at: 1e6, silence: 1e6, timeouts: 3, inFlight: true},
			{at: 2e6, silence: 2e6, timeouts: 3, inFlight: true, want: suspect},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDetector()
			for _, l := range test.looks {
				for began := l.at; l.at <= max(l.until, began)+0.001; l.at, l.silence = l.at+d.planned.Seconds(), l.silence+d.planned.Seconds() {
					a := d.assess(l.sample(test.rtt), test.limits, secs(l.at))
					if a.ask {
						d.asked(secs(l.at))
					}
					if got := a.finding(); got != l.want {
						t.Errorf("at %v s: finding %d, want %d; %+v, %+v", l.at, got, l.want, d, d.doubt)
					}
				}
			}
		})
	}
}

func TestAMachineThatWokeAsksAndDoubtsUntilThePeerIsHeard(t *testing.T) {
	t.Parallel()
	l := Limits{Idle: time.Minute, Silence: 90 * time.Second, Ask: true}
	d := newDetector()
	d.assess(sample{silence: 5 * time.Second}, l, secs(5))
	d.question(secs(9.9), true)
	if a := d.assess(sample{silence: 10 * time.Second}, l, secs(10)); !a.ask || !a.suspect {
		t.Errorf("%+v", a)
	}
	if a := d.assess(sample{silence: 100 * time.Millisecond}, l, secs(10.2)); a.ask || a.suspect || !a.answers {
		t.Errorf("%+v", a)
	}
	d.question(secs(16), true) // without keepalive nobody can ask
	if a := d.assess(sample{silence: 5 * time.Second}, Limits{Silence: time.Second}, secs(16)); a.ask || a.suspect {
		t.Errorf("%+v", a)
	}
}

func TestThePauseFitsWhatIsExpected(t *testing.T) {
	t.Parallel()
	within30 := Limits{Idle: 13 * time.Second, Silence: 29700 * time.Millisecond, Ask: true}
	for _, test := range []struct {
		name   string
		limits Limits
		sample sample
		want   time.Duration
	}{
		{"nothing to expect", Limits{}, sample{}, longestPause},
		{"a quarter of the silence", within30, sample{}, within30.Silence / 4},
		{"the next probe's answer", within30, sample{silence: 12 * time.Second}, time.Second + 13*time.Second/16 + doubtPause},
		{"the next probe of a short budget", Limits{Idle: 2 * time.Second, Silence: 4 * time.Second, Ask: true}, sample{silence: 1500 * time.Millisecond}, 500*time.Millisecond + resolution},
		{"an answer that is due", within30, sample{silence: 13 * time.Second, probes: 1}, doubtPause},
		{"the verdict", Limits{Silence: 8 * time.Second}, sample{pending: true, inFlight: true, silence: 7 * time.Second}, time.Second},
		{"a verdict just now, if there is no answer", Limits{Silence: 8 * time.Second}, sample{pending: true, inFlight: true, silence: 8 * time.Second}, leastRTO},
		{"an answer that was due, and the next asking", Limits{Silence: 8 * time.Second}, sample{pending: true, silence: 8 * time.Second}, doubtPause},
		{"a short budget is looked at more often", Limits{Idle: time.Second, Silence: 1800 * time.Millisecond, Ask: true}, sample{silence: 1100 * time.Millisecond, probes: 1}, shortestPause},
	} {
		d := newDetector()
		if got := d.assess(test.sample, test.limits, time.Minute).pause; got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestAPathThatLosesProbesOfAShutWindowNeedsMoreOfThem(t *testing.T) {
	t.Parallel()
	l := Limits{Idle: time.Second, Silence: 2750 * time.Millisecond, Ask: true, Pace: time.Second}
	for _, test := range []struct {
		name   string
		before []float64 // how long each silence was that ended, before the last
		rest   float64   // and how long all was well then
		pace   time.Duration
		want   float64 // when the last one is too long
	}{
		{"none lost", []float64{1.03, 1.03}, 0, time.Second, 3.4},
		{"a window that has just been shut, probed faster than is answered", []float64{0.2, 1.2, 1.03}, 0, time.Second, 3.4},
		{"one", []float64{1.03, 2.06}, 0, time.Second, 4.4},
		{"two", []float64{2.06, 1.03, 2.06}, 0, time.Second, 5.4},
		{"three", []float64{2.06, 2.06, 2.06}, 0, time.Second, 5.4},
		{"two, long ago", []float64{2.06, 1.03, 2.06}, 65, time.Second, 3.4},
		{"a kernel that has no pace", []float64{2.06, 2.06}, 0, 0, 3.4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := l
			l.Pace = test.pace
			d, now := newDetector(), 0.0
			silence := func(length float64) (verdict float64) {
				for at := 0.0; at < length; at += d.planned.Seconds() {
					s := sample{pending: true, silence: secs(at), probes: int(at / 1.03)}
					if d.assess(s, l, secs(now+at)).silent {
						return at
					}
				}
				now += length
				return 0
			}
			for _, length := range test.before {
				silence(length)
			}
			for left := test.rest; left > 0; left-- {
				silence(1)
			}
			if got := silence(20); got < test.want-0.15 || got > test.want+0.05 {
				t.Errorf("given up after %v s, want %v", got, test.want)
			}
		})
	}
}
