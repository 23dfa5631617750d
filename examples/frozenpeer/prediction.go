package main

import (
	"time"

	"example.com/hale/internal/lab/peer"
	"example.com/hale/sockopt"
)

// A prediction is when hale's Read has to fail, from the moment in which it
// happens to the peer.
type prediction struct {
	min, max time.Duration
	never    bool // it must not fail before max
}

// predictFunc predicts for options and a connection that was quiet for so long
// before it happens.
type predictFunc = func(r sockopt.Report, quiet time.Duration) prediction

// window is for an idle connection. The connection may have been quiet for any
// time before, which is why it is an interval. If it has been long enough for
// a probe to be answered, Linux sends the next one after the longer of Idle
// and Interval (tcp_keepalive_timer).
func window(r sockopt.Report, quiet time.Duration) prediction {
	if quiet >= r.Got.Idle {
		r.Got.Idle = max(r.Got.Idle, r.Got.Interval)
	}
	earliest, latest := r.Window()
	return prediction{min: earliest, max: latest}
}

// clockStart is how late the user timeout's clock may start: at the first
// retransmission, some 0.4 s after the data was sent (a tail loss probe comes
// first), or at the first window probe, after 0.2 s.
const clockStart = 500 * time.Millisecond

// longestSilence is what hale's watch allows a peer that owes an answer.
func longestSilence(r sockopt.Report) time.Duration {
	r.Got.UserTimeout = 0
	_, latest := r.Window()
	return max(r.Asked.UserTimeout, latest)
}

// unacknowledged is for a silent peer with data on its way to it, which hale's
// watch ends, or a timeout of the kernel's if that comes first. The watch counts
// the silence before as well, up to the idle time.
func unacknowledged(r sockopt.Report, quiet time.Duration) prediction {
	silence := longestSilence(r)
	p := prediction{min: silence - min(quiet, r.Got.Idle, silence/2), max: silence + clockStart}
	if t := r.Got.UserTimeout; t > 0 {
		p.min, p.max = min(p.min, t), min(p.max, t+clockStart)
	}
	return p
}

// slowFor is for how long a peer reads slowly: had it vanished instead, that
// would have been noticed.
func slowFor(r sockopt.Report) time.Duration { return prediction{max: longestSilence(r)}.latest() }

// shut is for a peer that vanishes after its window had been shut: slow reading
// opens that by less than a segment. The kernel asks again at its Pace, and the
// silence counts from the last answer. The watch wants several askings to be
// unanswered, for which a silence of less than five seconds is too short.
// Without a Pace (before Linux 6.15) the pauses have doubled, up to the time of
// the slow reading, and go on to.
func shut(r sockopt.Report, _ time.Duration) prediction {
	silence := longestSilence(r)
	if r.Got.Pace <= 0 {
		return prediction{max: (1 + 2 + 4 + 8) * slowFor(r)}
	}
	asked := askings(silence)*r.Got.Pace + answered
	return prediction{min: silence - min(r.Got.Pace, silence/2), max: max(silence, asked)}
}

// answered is how long the watch waits for the answer to the last asking, and
// then until its next look.
const answered = 500 * time.Millisecond

// askings is how many have to be unanswered before a shut window is given up.
func askings(silence time.Duration) time.Duration {
	if silence < 4*time.Second {
		return 3
	}
	return 4
}

// stalled is for a peer that does not read.
func stalled(r sockopt.Report, _ time.Duration) prediction {
	if r.Got.StallTimeout <= 0 {
		return prediction{max: 2 * r.Asked.UserTimeout, never: true}
	}
	return prediction{min: r.Got.StallTimeout, max: r.Got.StallTimeout + clockStart}
}

func atOnce(sockopt.Report, time.Duration) prediction { return prediction{max: 100 * time.Millisecond} }

// never watches for as long as an idle connection's death could take.
func never(r sockopt.Report, quiet time.Duration) prediction {
	return prediction{max: window(r, quiet).latest(), never: true}
}

// What is allowed for on top, see tolerance.
func (p prediction) earliest() time.Duration { return p.min - 100*time.Millisecond }
func (p prediction) latest() time.Duration   { return p.max + p.max/8 + 200*time.Millisecond }

// holds reports whether it came as predicted.
func (p prediction) holds(o peer.Outcome) bool {
	if p.never || !o.Noticed() {
		return p.never && !o.Noticed()
	}
	return p.earliest() <= o.After && o.After <= p.latest()
}

// patience is how long to watch.
func (p prediction) patience() time.Duration {
	if p.never {
		return p.max
	}
	return p.latest() + 2*time.Second // to see how late it is, if it is
}
