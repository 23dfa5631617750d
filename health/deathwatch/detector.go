package deathwatch

import (
	"time"

	"example.com/hale/health"
)

const (
	// shortestPause is the least time between two looks at a connection, and
	// so between two askings of the watch's own.
	shortestPause = 100 * time.Millisecond
	// doubtPause is the time between two looks while something is unanswered, if
	// the budget is not short.
	doubtPause = 250 * time.Millisecond
	// longestPause is the longest time between two looks: whoever closes a
	// connection and never ends its watch is found out then.
	longestPause = time.Minute
	// leastRTO is the kernel's TCP_RTO_MIN.
	leastRTO = 200 * time.Millisecond
	// resolution is how exactly the kernel tells when a peer was heard: by
	// jiffies, of which a slow clock has a hundred a second.
	resolution = 20 * time.Millisecond
)

// A sample is what one look at a connection shows.
type sample struct {
	probes   int  // keepalive and window probes sent since the peer was last heard
	timeouts int  // retransmission timeouts in a row
	resent   int  // segments that were retransmitted, ever
	inFlight bool // a segment, or our FIN, was sent since the peer was last heard, and is not acknowledged
	pending  bool // something is written, or our FIN is due, and not acknowledged, sent or not
	silence  time.Duration
	took     time.Duration // from the time of the look until the kernel had answered, at most
	sent     time.Duration // since the last segment with data left, be it again; 0 where that is not told
	rtt      time.Duration // smoothed round-trip time
	rttVar   time.Duration // its mean deviation
}

// answerTime is how long an answer may take: the retransmission timeout before
// it is backed off (tcp_set_rto).
func (s sample) answerTime() time.Duration { return s.rtt + max(4*s.rttVar, leastRTO) }

// stalled reports whether the peer takes nothing more.
func (s sample) stalled() bool { return s.pending && !s.inFlight }

// A detector concludes from the samples of one connection whether its peer is
// gone. Times are on the watch's clock.
type detector struct {
	heard   time.Duration // when the peer was last heard, at the latest
	looked  time.Duration // when the last look was
	planned time.Duration // the pause that was planned then
	doubt   *doubt        // nil while all is well

	resent  int32 // retransmissions until the peer was last heard, at most
	current int32 // and at the last look
	lostAt  int32 // when the last probe that the path has lost was found out, in seconds
	lost    uint8 // how many of late
	before  uint8 // retransmission timeouts that were answered, of the kernel's 255

	suspect bool
}

func newDetector() detector { return detector{heard: -never} }

// An assessment is what one sample leads to.
type assessment struct {
	suspect bool
	answers bool          // the peer was heard anew
	ask     bool          // it should be asked now
	silent  bool          // it is gone
	pause   time.Duration // until the next look
}

// assess draws the conclusions from a sample at the time now.
func (d *detector) assess(s sample, l Limits, now time.Duration) assessment {
	var a assessment
	a.answers = d.listen(s, l, now)
	d.count(s, now)
	if l.Idle == 0 && !s.pending { // it cannot be asked, and owes nothing
		d.doubt, d.suspect = nil, false
	}
	if d.doubt == nil {
		d.suspect = d.suspect && !a.answers
	} else {
		if l.Idle == 0 {
			d.doubt.wanted, d.doubt.woke = false, false
		}
		d.suspect = d.suspect && !a.answers || d.doubt.woke || d.doubt.isSuspect(s, l) // until it is heard
		a.silent = d.doubt.isSilent(s, l, d.lostLately(now))
		a.ask = !a.silent && d.shouldAsk(s, l, now)
	}
	a.suspect = d.suspect
	a.pause = d.pause(s, l, now)
	d.looked, d.planned = now, a.pause
	return a
}

// listen takes note of when the peer was last heard, and reports whether that
// is news.
func (d *detector) listen(s sample, l Limits, now time.Duration) (news bool) {
	earliest, latest := now-s.silence, now+s.took-s.silence
	if earliest <= d.heard+resolution {
		return false
	}
	first := d.heard == -never
	if d.doubt != nil && d.doubt.overdue > 0 && l.lostOne(s, earliest-d.heard) {
		d.noteLoss(now)
	}
	since := s.timeoutsSince()
	d.heard, d.before, d.resent = latest, uint8(s.timeouts-since), max(d.current, int32(s.resent-since-s.tailProbes()))
	if d.doubt != nil {
		d.doubt = d.doubt.after(earliest)
	}
	return !first
}

// timeoutsSince is how many of the timeouts came after the peer was last heard.
// The kernel counts them until something is acknowledged; a peer whose window
// shut over data in flight answers without doing that.
func (s sample) timeoutsSince() (n int) {
	if !s.inFlight {
		return 0
	}
	for n < s.timeouts && retransmitted(n+1) <= s.silence {
		n++
	}
	return n
}

// tailProbes is how many tail loss probes may have come since then.
func (s sample) tailProbes() int {
	if s.inFlight && s.silence >= leastRTO {
		return 1
	}
	return 0
}

// count takes note of what is unanswered.
func (d *detector) count(s sample, now time.Duration) {
	asks := int32(s.probes)
	if s.inFlight {
		asks += 1 + d.retransmissions(s)
	}
	d.current = int32(s.resent)
	if d.doubt == nil && asks > 0 {
		d.doubt = newDoubt()
	}
	if d.doubt == nil {
		return
	}
	late := time.Duration(0)
	if d.planned > 0 { // a look was planned
		late = now - d.looked - d.planned
	}
	d.doubt.wait(asks, d.planned, late)
	d.doubt.count(asks, s, now)
}

// retransmissions is how often what is in flight was sent again since the peer
// was last heard: at each timeout, and as a tail loss probe before the first
// (RFC 8985), which the kernel does not count among those.
func (d *detector) retransmissions(s sample) int32 {
	timeouts := max(0, int32(s.timeouts)-int32(d.before))
	return timeouts + min(1, max(0, int32(s.resent)-d.resent-timeouts))
}

// question has the peer asked. woke is for a machine that woke from sleep.
func (d *detector) question(now time.Duration, woke bool) {
	if d.doubt == nil {
		d.doubt = newDoubt()
	}
	d.doubt.wanted, d.doubt.since = true, now
	d.doubt.woke = d.doubt.woke || woke
}

// asked takes note that the watch itself has had the peer asked.
func (d *detector) asked(now time.Duration) { d.doubt.asked = now }

// shouldAsk: an idle connection has something unanswered, and the last asking
// has had its time. The kernel itself asks while something is pending.
func (d *detector) shouldAsk(s sample, l Limits, now time.Duration) bool {
	switch {
	case s.pending, l.Idle == 0, d.doubt.asks == 0 && !d.doubt.wanted:
		return false
	case !l.Ask && (!d.doubt.wanted || d.doubt.asked > -never):
		return false // more than once would take the verdict from the kernel
	}
	return now-max(d.doubt.asked, d.heard) >= d.doubt.askPause(s, l)-resolution
}

// pause is the time until the next look: soon if an answer is due, else when
// the next probe is, or the verdict.
func (d *detector) pause(s sample, l Limits, now time.Duration) time.Duration {
	pause := l.pause()
	switch {
	case l.Idle == 0 && !s.pending:
	case s.probes > 0, s.timeouts > int(d.before), d.suspect, d.doubt != nil && d.doubt.wanted:
		pause = l.doubtPause()
	case l.Idle > 0:
		pause = max(min(pause, l.answerDue()-s.silence), l.doubtPause())
	}
	if l.Silence > 0 && (s.pending || d.doubt != nil && d.doubt.asks > 0) {
		left := l.Silence - s.silence
		switch {
		case left > 0:
			pause = min(pause, left)
		case s.pending: // it lacks askings, or the time of an answer
			return min(l.doubtPause(), d.doubt.answerDue(s, now))
		default:
			pause = min(pause, l.doubtPause())
		}
	}
	return max(pause, shortestPause)
}

// pause is how long a connection at rest needs no look. Data may be written
// into a silence at any time; it has to be seen for the time of [Limits.awake].
func (l Limits) pause() time.Duration {
	pause := longestPause
	if l.Idle > 0 {
		pause = min(pause, l.Idle)
	}
	if l.Silence > 0 {
		pause = min(pause, l.Silence/4)
	}
	return max(pause, shortestPause)
}

// answerDue is the silence at which a look finds the first probe answered, if the
// peer is there: a kernel's timer is late by up to an eighth, mostly by less than
// half of that. A short budget has no time for it, and finds the probe unanswered.
func (l Limits) answerDue() time.Duration {
	if l.isShort() {
		return l.Idle + resolution
	}
	return l.Idle + l.Idle/16 + doubtPause
}

// unansweredFor is for how much of the silence that was a death an answer was
// certainly due: from the first probe on, which a kernel's timer sends up to an
// eighth late, or from the time that the retransmissions take at least.
func (d *detector) unansweredFor(l Limits, dead *health.DeadError) time.Duration {
	silence, due := dead.Silence, time.Duration(0)
	if d.doubt != nil {
		due = d.doubt.due
	}
	switch dead.Cause {
	case health.KeepAliveTimeout:
		return max(0, min(due, silence), silence-l.Idle-l.Idle/8)
	case health.SendTimeout:
		return min(silence, max(due, retransmitted(dead.Info.Retransmits)))
	}
	return 0
}

// retransmitted is the least time that n timeouts in a row take, at the pace of
// one second, which is the fastest that can be set.
func retransmitted(n int) (d time.Duration) {
	for rto := leastRTO; n > 0; n-- {
		d += rto
		rto = min(2*rto, time.Second)
	}
	return d
}
