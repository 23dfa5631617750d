package deathwatch

import (
	"time"

	"example.com/hale/health"
)

const (
	// shortestPause is the least time between two looks at a connection, and
	// so between two askings of the watch's own.
	shortestPause = 100 * time.Millisecond
	// doubtPause is the time between two looks while something is unanswered,
	// where the budget holds enough of them.
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

const (
	// askings is how many a silence should hold.
	askings = 8
	// quickAskings follow each other at the pace of the path; those after them
	// are spread over what is left of the budget.
	quickAskings = 3
	// fewestAskings is how many have to be unanswered for a verdict, on any path.
	fewestAskings = 4
)

// A sample is what one look at a connection shows.
type sample struct {
	probes   int  // keepalive and window probes sent since the peer was last heard
	timeouts int  // retransmission timeouts in a row
	resent   int  // segments that were retransmitted, ever
	inFlight bool // a segment, or our FIN, was sent since the peer was last heard, and is not acknowledged
	pending  bool // something is written, or our FIN is due, and not acknowledged, sent or not
	silence  time.Duration
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
	heard   time.Duration // when the peer was last heard
	looked  time.Duration // when the last look was
	planned time.Duration // the pause that was planned then
	rose    time.Duration // when the last unanswered asking was made, at the latest
	markAt  time.Duration // when the last of those marked was
	asked   time.Duration // when the watch itself last asked
	due     time.Duration // for how long an answer was due, and this process awake to see it

	asks    int32 // unanswered askings
	marked  int32 // those of them that wait for the time of an answer to be over
	overdue int32 // those for which it is
	before  int32 // retransmission timeouts that were answered
	resent  int32 // retransmissions at the last look before the peer was last heard
	current int32 // and at the last look

	suspect    bool
	asking     bool // the connection's options are the watch's own for a while
	pronounced bool // the kernel was told to give the peer up
	woke       bool // the machine woke from sleep, and the peer was not heard since
	doubted    bool // somebody wants to know whether the peer is there, and it was not heard since
	doubtedAt  time.Duration
}

// doubt has the peer asked. suspect is for a machine that woke from sleep.
func (d *detector) doubt(now time.Duration, suspect bool) {
	d.doubted, d.doubtedAt = true, now
	d.woke = d.woke || suspect
}

func newDetector() detector { return detector{heard: -never, asked: -never} }

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
	if l.Idle == 0 { // it cannot be asked
		d.woke, d.doubted = false, false
	}
	var a assessment
	a.answers = d.listen(s, now)
	d.count(s, now)
	d.suspect = d.suspect && !a.answers || d.woke || d.isSuspect(s) // until it is heard
	a.suspect = d.suspect
	a.silent = d.isSilent(s, l)
	a.ask = !a.silent && d.shouldAsk(s, l, now)
	a.pause = d.pause(s, l)
	d.looked, d.planned = now, a.pause
	if a.ask {
		d.asked = now
	}
	return a
}

// listen takes note of when the peer was last heard, and reports whether that
// is news.
func (d *detector) listen(s sample, now time.Duration) (news bool) {
	heard := now - s.silence
	if heard <= d.heard+resolution {
		return false
	}
	first := d.heard == -never
	since := s.timeoutsSince()
	d.heard, d.before, d.resent = heard, int32(s.timeouts-since), d.current
	d.asks, d.marked, d.overdue, d.due = 0, 0, 0, 0
	if heard > d.doubtedAt {
		d.woke, d.doubted = false, false
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

// count takes note of what is unanswered, and for how long. A look that comes
// late comes from a process that stood still: it has to see the silence anew.
func (d *detector) count(s sample, now time.Duration) {
	asks := int32(s.probes)
	if s.inFlight {
		asks += 1 + d.retransmissions(s)
	}
	d.current = int32(s.resent)
	switch since := now - d.looked; {
	case asks == 0 || d.asks == 0:
	case since > d.planned+2*doubtPause:
		d.due = 0
	default:
		d.due += since
	}
	if asks > d.asks {
		d.rose = now
		if !s.inFlight && d.asked > d.heard {
			d.rose = d.asked // it was the watch that asked
		}
	}
	d.asks = asks
	if asks < d.marked { // what was in flight is acknowledged, by an answer too close to the one before
		d.marked, d.overdue = 0, 0
	}
	for range 2 {
		d.mark(s.answerTime(), now)
	}
}

// retransmissions is how often what is in flight was sent again since the peer
// was last heard: at each timeout, and as a tail loss probe before the first
// (RFC 8985), which the kernel does not count among those.
func (d *detector) retransmissions(s sample) int32 {
	timeouts := max(0, int32(s.timeouts)-d.before)
	return timeouts + min(1, max(0, int32(s.resent)-d.resent-timeouts))
}

// mark finds out how many askings have had the time to be answered: of those
// made up to some moment all have, once that time has passed. That may be late by
// as much again, but never counts one that is too young.
func (d *detector) mark(answerTime, now time.Duration) {
	if d.marked > d.overdue && now-d.markAt >= answerTime {
		d.overdue = d.marked
	}
	if d.marked == d.overdue {
		d.marked, d.markAt = d.asks, d.rose
	}
}

// isSuspect: several askings are unanswered. A window that has just been shut is
// probed faster than a live peer's kernel answers: once in half a second
// (tcp_invalid_ratelimit).
func (d *detector) isSuspect(s sample) bool {
	switch n := d.overdue; {
	case s.stalled():
		return n > 2 && s.silence > time.Second
	case s.inFlight:
		return n > 2
	default:
		return n > 1
	}
}

// isSilent: the budget is over, and holds enough askings that nothing has come
// back for.
func (d *detector) isSilent(s sample, l Limits) bool {
	return l.Silence > 0 && s.silence >= l.Silence-resolution &&
		d.overdue >= l.verdictAskings(s) && d.due >= l.awake()
}

// verdictAskings is how many unanswered askings a verdict needs: as many as the
// path has time for, of those that the watch can make itself. A shut window is
// probed once a second at most, and a very short budget has one less.
func (l Limits) verdictAskings(s sample) int32 {
	switch {
	case s.stalled() && l.Silence < fewestAskings*time.Second:
		return fewestAskings - 1
	case s.pending || l.Idle == 0:
		return fewestAskings
	}
	room := (l.Silence - l.Idle) / max(s.answerTime(), doubtPause)
	return int32(min(max(room, fewestAskings), askings-2))
}

// awake is for how long of a silence this process has to have been awake.
func (l Limits) awake() time.Duration { return max(0, l.Silence-l.Idle) / 4 }

// shouldAsk: an idle connection has something unanswered, and the last asking
// has had its time. The kernel itself asks while something is pending.
func (d *detector) shouldAsk(s sample, l Limits, now time.Duration) bool {
	if s.pending || l.Idle == 0 || l.Silence == 0 || d.asks == 0 && !d.doubted {
		return false
	}
	return now-max(d.asked, d.heard) >= d.askPause(s, l)-resolution
}

// askPause is the time between two askings.
func (d *detector) askPause(s sample, l Limits) time.Duration {
	pause := max(l.doubtPause(), min(s.answerTime(), 2*s.rtt))
	if d.asks > quickAskings {
		pause = max(pause, (l.Silence-l.Idle)/(askings+2))
	}
	return pause
}

// doubtPause is the time between two looks while something is unanswered.
func (l Limits) doubtPause() time.Duration {
	if l.Silence == 0 {
		return doubtPause
	}
	return min(max((l.Silence-l.Idle)/askings, shortestPause), doubtPause)
}

// pause is the time until the next look: soon if an answer is due, else when
// the next probe is, or the verdict.
func (d *detector) pause(s sample, l Limits) time.Duration {
	pause := l.pause()
	if s.probes > 0 || int32(s.timeouts) > d.before || d.suspect || d.doubted {
		pause = l.doubtPause()
	} else if l.Idle > 0 {
		pause = max(min(pause, l.Idle-s.silence+resolution), l.doubtPause())
	}
	if l.Silence > 0 && (s.pending || d.asks > 0) {
		left := l.Silence - s.silence
		if left <= 0 {
			left = l.doubtPause() // it lacks askings
		}
		pause = min(pause, left)
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

// unansweredFor is for how much of the silence that was a death an answer was
// certainly due: from the first probe on, which a kernel's timer sends up to an
// eighth late, or from the time that the retransmissions take at least.
func (d *detector) unansweredFor(l Limits, dead *health.DeadError) time.Duration {
	silence := dead.Silence
	switch dead.Cause {
	case health.KeepAliveTimeout:
		return max(0, min(d.due, silence), silence-l.Idle-l.Idle/8)
	case health.SendTimeout:
		return min(silence, max(d.due, retransmitted(dead.Info.Retransmits)))
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
