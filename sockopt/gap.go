package sockopt

import (
	"cmp"
	"fmt"
	"sort"
	"time"
)

const (
	// answerSeen is the time that the watch needs, besides that between two askings,
	// until it has made one, is answered, and has seen the answer.
	answerSeen = 600 * time.Millisecond

	// watchAskings is how many probes of the watch's own one silence may hold,
	// besides the kernel's. The kernel counts them all.
	watchAskings = 16
)

// late is d by a kernel whose timers are as late as Linux' may be.
func late(d time.Duration) time.Duration { return plus(d, d/8) }

// plus adds times that are not negative, up to Never.
func plus(times ...time.Duration) (sum time.Duration) {
	for _, d := range times {
		sum += min(d, Never-sum)
	}
	return sum
}

// defaultWithin is the promise in place of none: with a gap, a roomy one.
func (k KeepAlive) defaultWithin() time.Duration {
	gap := max(k.TolerateGap, 0)
	return max(DefaultWithin, plus(gap, gap, gap/2))
}

// silence is how long the watch lets a peer be silent that it may ask itself.
func (k KeepAlive) silence() time.Duration { return k.Within - verdictReserve }

// asksAfter reports whether the watch asks an idle peer once more, and hears the
// answer, after a gap that begins when a probe was just due: late in a silence it asks
// ten times in what Idle leaves of it.
func (k KeepAlive) asksAfter(gap time.Duration) bool {
	return plus(late(k.Idle), gap, (k.silence()-k.Idle)/10, answerSeen) <= k.silence()
}

// resendsAfter reports whether data in flight is sent once more within a silence, and
// acknowledged, after a gap that began when a probe was just due.
func (k KeepAlive) resendsAfter(gap, pace, silence time.Duration) bool {
	if pace < 0 {
		pace = gap // the pauses double
	}
	return plus(late(k.Idle), gap, late(pace), answerSeen) <= silence
}

// probesAfter reports whether the kernel by itself sends an idle peer a probe after
// such a gap, and waits for its answer: by Count, or, where bounded, by UserTimeout.
func (k KeepAlive) probesAfter(gap time.Duration, bounded bool) bool {
	if bounded && k.UserTimeout > 0 {
		return plus(late(max(k.Idle, k.Interval)), gap, late(k.Interval)) <= k.UserTimeout
	}
	return k.Count > 0 && enough(gap, k.Interval) <= time.Duration(k.Count)
}

// enough is how many probes at an interval outlast a gap, the last one coming after it.
func enough(gap, interval time.Duration) time.Duration { return plus(ceilDiv(gap, interval), 1) }

// checkGap refuses what no platform could keep.
func (k KeepAlive) checkGap() error {
	e := RangeError{Field: "TolerateGap", Value: seconds(k.TolerateGap)}
	switch {
	case k.TolerateGap == 0:
		return nil
	case k.TolerateGap < 0:
		e.Limit = "negative; zero is for none"
	case k.Disabled:
		e.Limit = "set, although Disabled is true"
	default:
		within := cmp.Or(k.Within, k.defaultWithin())
		if _, ok := derive(within, k.PathIdleTimeout, k.TolerateGap); ok || k.Idle != 0 || k.Interval != 0 || k.Count != 0 {
			return nil // or else each platform decides
		}
		e.Limit = "above none at all, which is what Within " + seconds(within) + " leaves time for"
		if longest := longestGap(within, k.PathIdleTimeout); longest > 0 {
			e.Limit = fmt.Sprintf("above %s, the longest that Within %s leaves time for", seconds(longest), seconds(within))
		}
		if k.PathIdleTimeout > 0 {
			e.Limit += " with PathIdleTimeout " + seconds(k.PathIdleTimeout)
		}
	}
	return &e
}

// longestGap is in whole seconds.
func longestGap(within, pathIdle time.Duration) time.Duration {
	n := sort.Search(int(maxProbes*maxInterval/time.Second), func(n int) bool {
		_, ok := derive(within, pathIdle, time.Duration(n+1)*time.Second)
		return !ok
	})
	return time.Duration(n) * time.Second
}

// checkGap refuses what gives an idle peer up before the gap is over. Effective is
// what the kernel acts by.
func (b *builder) checkGap() error {
	gap, e := b.given.TolerateGap, b.Effective
	if gap == 0 || !e.probes() || e.Count <= 0 || b.sys.fixedCount == 1 {
		return nil
	}
	e.Within = b.Asked.Within
	bounded := b.sys.userTimeoutDecides && e.UserTimeout > 0
	if b.promise().watches() {
		if !e.asksAfter(gap) {
			return b.gapError(FieldIdle, "with Within "+seconds(e.Within))
		}
		e.Count -= watchAskings // which its own would take away
	}
	switch {
	case e.probesAfter(gap, bounded):
		return nil
	case bounded && b.Watched:
		return b.gapError(FieldStallTimeout, "and takes the place of Count")
	case bounded:
		return b.gapError(FieldUserTimeout, "and takes the place of Count")
	case b.given.Count > 0:
		return b.gapError(FieldCount, "with Interval "+seconds(e.Interval))
	}
	return b.gapError(FieldInterval, fmt.Sprintf("with Count %d", b.Effective.Count))
}

// gapError names the value that was given, or else the gap.
func (b *builder) gapError(f Field, why string) error {
	gap, v := seconds(b.given.TolerateGap), b.given.value(f)
	if v > 0 {
		return &RangeError{goNames[f], f.format(v), fmt.Sprintf("does not outlast TolerateGap %s and one more probe, %s", gap, why)}
	}
	e := b.Effective
	return &RangeError{"TolerateGap", gap, fmt.Sprintf("too long for %s: idle %s, interval %s, count %d",
		b.Platform.GOOS, seconds(e.Idle), seconds(e.Interval), e.Count)}
}

// remarkOnGap says what may be given up in a gap all the same.
func (b *builder) remarkOnGap() string {
	gap, e := b.given.TolerateGap, b.Effective
	switch {
	case gap == 0:
		return ""
	case !e.probes() || e.Count <= 0 || b.sys.fixedCount == 1:
		return fmt.Sprintf("not known to be kept, because %s decides when it probes", b.Platform.GOOS)
	case b.Watched && b.sys.watched:
		if silence := b.inFlight(); silence > 0 && !e.resendsAfter(gap, e.Pace, silence) {
			return fmt.Sprintf("kept while the connection is idle; data in flight may be sent again too late for the %s that it has", seconds(silence))
		}
	case e.UserTimeout > 0 && !(KeepAlive{}).resendsAfter(gap, leaveAlone, e.UserTimeout):
		return fmt.Sprintf("kept while the connection is idle; data in flight, of which a retransmission may come as long after the gap as that lasted, is given up after %s", seconds(e.UserTimeout))
	}
	return ""
}

// inFlight is how long the watch lets a peer be silent that owes an acknowledgement,
// 0 for ever.
func (b *builder) inFlight() time.Duration {
	if b.Asked.Within > 0 {
		return b.Asked.silence()
	}
	return b.budget()
}
