package deathwatch

import "time"

const (
	// fewestAskings is how many have to be unanswered for a verdict, on any path,
	// and mostAskings of an idle connection, where there is time for more.
	fewestAskings = 4
	mostAskings   = 6
	// quickAskings follow each other at the pace of the path; those after them
	// are spread over what is left of the budget, in as many parts as this.
	quickAskings = 3
	spread       = 10
)

// askEvery is the time between two askings: Linux answers no more than one
// keepalive probe in half a second (tcp_invalid_ratelimit), so that one asked
// sooner than that after a probe whose answer was lost is in vain. A budget too
// short for several of those has the peer asked at every look, since the probe
// itself may have been lost.
const askEvery = 520 * time.Millisecond

// A doubt is what is remembered of a connection while its peer leaves something
// unanswered, or somebody wants to know whether it is there.
type doubt struct {
	rose   time.Duration // when the last unanswered asking was made, at the latest
	markAt time.Duration // when the last of those marked was
	asked  time.Duration // when the watch itself last asked
	due    time.Duration // for how long an answer was due, and this process awake to see it
	since  time.Duration // when somebody wanted to know

	asks    int32 // unanswered askings
	marked  int32 // those of them that wait for the time of an answer to be over
	overdue int32 // those for which it is
	missed  int32 // those that were made before this process last stood still, or meanwhile

	wanted bool // somebody wants to know whether the peer is there
	woke   bool // because the machine woke from sleep
}

func newDoubt() *doubt { return &doubt{asked: -never} }

// after returns what is left of a doubt when the peer was heard: somebody may
// have begun to wonder only then.
func (d *doubt) after(heard time.Duration) *doubt {
	if !d.wanted || heard > d.since {
		return nil
	}
	fresh := newDoubt()
	fresh.wanted, fresh.woke, fresh.since = true, d.woke, d.since
	return fresh
}

// standstill is by how much a look comes late if this process stood still, and
// was not only busy.
const standstill = time.Second

// wait adds the pause since the last look to the time for which an answer was
// due. By how much the look came late does not count, but for a little: this
// process was not awake to see it. One that stood still has to see the silence anew,
// and one more asking.
func (d *doubt) wait(asks int32, pause, late time.Duration) {
	switch {
	case late > standstill:
		d.due, d.missed = 0, asks
	case asks == 0 || d.asks == 0:
	default:
		d.due += pause + min(late, shortestPause)
	}
}

// count takes note of how many askings are unanswered.
func (d *doubt) count(asks int32, s sample, now time.Duration) {
	if asks > d.asks {
		d.rose = now
		switch {
		case s.inFlight && s.sent > 0:
			d.rose = now + s.took - s.sent
		case !s.inFlight && d.asked > -never:
			d.rose = min(now, d.asked+resolution) // it was the watch that asked, and a jiffy may pass
		}
	}
	d.asks = asks
	if asks < d.marked { // what was in flight is acknowledged, by an answer too close to the one before
		d.marked, d.overdue, d.missed = 0, 0, 0
	}
	for range 2 {
		d.mark(s.answerTime(), now)
	}
}

// mark finds out how many askings have had the time to be answered: of those
// made up to some moment all have, once that time has passed. That may be late by
// as much again, but never counts one that is too young.
func (d *doubt) mark(answerTime, now time.Duration) {
	if d.marked > d.overdue && now-d.markAt >= answerTime {
		d.overdue = d.marked
	}
	if d.marked == d.overdue {
		d.marked, d.markAt = d.asks, d.rose
	}
}

// answerDue is the time until those marked are overdue, if they are not yet.
func (d *doubt) answerDue(s sample, now time.Duration) time.Duration {
	if d == nil || d.marked == d.overdue {
		return doubtPause
	}
	return max(d.markAt+s.answerTime()-now, resolution)
}

// isSuspect: several askings are unanswered. A window that has just been shut is
// probed faster than a live peer's kernel answers: once in half a second
// (tcp_invalid_ratelimit).
func (d *doubt) isSuspect(s sample, l Limits) bool {
	switch n := d.overdue; {
	case s.stalled():
		return n > 2 && s.silence > time.Second
	case s.inFlight:
		return n > 2
	case !l.Ask:
		return n > 0 && d.due >= askEvery // the kernel may ask only once
	default:
		return n > 1 && d.due >= askEvery // or else the second was in vain
	}
}

// isSilent: the budget is over, and holds enough askings that nothing has come
// back for.
func (d *doubt) isSilent(s sample, l Limits, lost int32) bool {
	return l.Silence > 0 && (s.pending || l.Ask) && s.silence >= l.Silence-resolution &&
		d.overdue >= l.verdictAskings(s, lost) && d.due >= l.awake(s) &&
		(d.overdue > d.missed || d.due >= max(l.Silence, 4*s.answerTime())) // a kernel without a pace may not ask for long
}

// verdictAskings is how many unanswered askings a verdict needs: as many as the
// path has time for, of those that the watch can make itself. A shut window is
// probed once a second at most, and a very short budget has one less; but there are
// as many more as the path has lost lately.
func (l Limits) verdictAskings(s sample, lost int32) int32 {
	switch {
	case s.stalled() && l.Silence < fewestAskings*time.Second:
		return fewestAskings - 1 + lost
	case s.stalled():
		return fewestAskings + lost
	case s.pending || l.Idle == 0:
		return fewestAskings
	}
	room := (l.Silence - l.Idle) / max(s.answerTime(), askEvery/2)
	return int32(min(max(room, fewestAskings), mostAskings))
}

// awake is for how long of a silence this process has to have been awake: on an
// idle connection long enough for three askings that can all be answered, if the
// budget has room for them, so that after a standstill it asks anew.
func (l Limits) awake(s sample) time.Duration {
	left := max(0, l.Silence-l.Idle)
	if s.pending {
		return min(left/4, max(time.Second, 2*s.answerTime()))
	}
	return min(left*4/5, 3*askEvery)
}

// askPause is the time between two askings.
func (d *doubt) askPause(s sample, l Limits) time.Duration {
	pause := max(l.askEvery(), min(s.answerTime(), 2*s.rtt))
	if d.asks > quickAskings && !l.isShort() {
		pause = max(pause, (l.Silence-l.Idle)/spread)
	}
	return pause
}

// isShort: the watch asks, and the budget has no room for several askings with
// their time between.
func (l Limits) isShort() bool { return l.Ask && l.Silence-l.Idle < mostAskings*askEvery }

// askEvery is the shortest time between two askings.
func (l Limits) askEvery() time.Duration {
	if l.isShort() {
		return shortestPause
	}
	return askEvery
}

// doubtPause is the time between two looks while something is unanswered.
func (l Limits) doubtPause() time.Duration {
	if l.isShort() {
		return shortestPause
	}
	return doubtPause
}
