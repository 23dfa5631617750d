package health

import "time"

const (
	// pauseLeast is the shortest time between two looks at a connection.
	pauseLeast = 250 * time.Millisecond
	// probeGrace is how long a probe may be under way, beyond two round
	// trips, before it counts as unanswered: long enough for a processor that
	// its hypervisor has taken away for a moment, ours or the peer's.
	probeGrace = 400 * time.Millisecond
	// suspectPart of Limits.Silence is how long sent data may stay
	// unacknowledged before the peer is suspect; it is looked for twice as
	// often.
	suspectPart = 4
	// pauseMost is the longest time between two looks: whoever closes a
	// connection and never ends its watch is found out then.
	pauseMost = time.Minute
)

// glimpse is what one look at a connection shows.
type glimpse struct {
	probes   int  // unanswered
	inFlight bool // segments are sent and not acknowledged
	pending  bool // bytes are written and not acknowledged, sent or not
	silence  time.Duration
	rtt      time.Duration
}

// memory is what is remembered of a connection from one look to the next.
type memory struct {
	suspect bool      // it was, at the last look
	since   time.Time // when something was first seen waiting for an answer; zero if nothing is
	woke    time.Time // when the machine woke from sleep, until the peer is heard again
}

// judgement is what one look leads to.
type judgement struct {
	suspect bool
	expired bool          // the silence has lasted too long
	pause   time.Duration // until the next look
}

// judge forms a judgement from what is seen at the time now.
func (m *memory) judge(g glimpse, l Limits, now time.Time) judgement {
	heard := now.Add(-g.silence)
	if heard.After(m.woke) {
		m.woke = time.Time{}
	}
	waiting := g.probes > 0 || g.inFlight || !m.woke.IsZero()
	if !waiting || heard.After(m.since) {
		m.since = time.Time{}
	}
	if waiting && m.since.IsZero() {
		m.since = now
	}
	unanswered := time.Duration(0)
	if waiting {
		unanswered = now.Sub(m.since)
	}
	m.suspect = !m.woke.IsZero() || l.suspect(g, unanswered)
	return judgement{
		suspect: m.suspect,
		expired: g.pending && l.expired(g.silence, unanswered),
		pause:   m.pause(g, l),
	}
}

// suspect: one probe has had its round trip and more, or data its share of the
// time. Probes of a closed window come faster than they are answered: a kernel
// keeps its answers half a second apart (tcp_invalid_ratelimit).
func (l Limits) suspect(g glimpse, unanswered time.Duration) bool {
	if l.Silence > 0 && unanswered >= l.Silence/suspectPart {
		return true
	}
	if g.pending && !g.inFlight {
		return g.probes > 2
	}
	return g.probes > 1 || g.probes == 1 && unanswered > probeGrace+2*g.rtt
}

// expired: the whole budget has passed in silence, and the part of it after
// the idle time with something unanswered. It is the rule by which the kernel
// gives an idle connection up. For data that is written into such a silence
// the kernel has no such rule: it starts the user timeout anew.
func (l Limits) expired(silence, unanswered time.Duration) bool {
	return l.Silence > 0 && silence >= l.Silence && unanswered >= l.Silence-min(l.Idle, l.Silence/2)
}

// unanswered is for how much of a silence that was the death of a connection
// an answer has been due: since the first probe of an idle one, which a
// kernel's timer sends up to an eighth late, or since data was sent.
func (l Limits) unanswered(cause Cause, info Info) time.Duration {
	switch {
	case cause == KeepAliveTimeout && l.Idle > 0:
		return max(0, info.Silence()-l.Idle-l.Idle/8)
	case cause == SendTimeout:
		return min(info.Silence(), info.UserTimeout)
	}
	return 0
}

// pause is the time until the next look: soon if an answer is due, else when
// the next probe is.
func (m *memory) pause(g glimpse, l Limits) time.Duration {
	pause := l.pause()
	if l.Idle > 0 {
		pause = min(pause, l.Idle-g.silence)
	}
	if g.probes > 0 || m.suspect {
		pause = 0
	}
	return max(pause, pauseLeast)
}

// pause is how long a connection at rest needs no look.
func (l Limits) pause() time.Duration {
	pause := pauseMost
	if l.Idle > 0 {
		pause = min(pause, l.Idle)
	}
	if l.Silence > 0 {
		pause = min(pause, l.Silence/(2*suspectPart))
	}
	return max(pause, pauseLeast)
}
