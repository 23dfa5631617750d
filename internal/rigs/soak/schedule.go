package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A kind is what can happen to a server, to the name that leads to it, or to
// this process.
type kind string

const (
	freeze     kind = "freeze"
	kill       kind = "kill"
	stop       kind = "stop"
	reset      kind = "reset"
	halfClose  kind = "half-close"
	slowReader kind = "slow-reader"
	earlyClose kind = "early-close"
	full       kind = "full"
	unasked    kind = "unasked"
	move       kind = "move"
	standstill kind = "standstill"

	// These are no faults.
	quiet  kind = "quiet"  // a moment in which nobody asks
	outage kind = "outage" // the pool says so
)

var kinds = []kind{
	freeze, kill, stop, reset, halfClose, slowReader, earlyClose, full, unasked, move, standstill,
}

// lasting has the least and the most time that a fault of a kind lasts, as
// multiples of the promise; the others are over at once. Some are shorter
// than any detection, and some longer than a request may take.
var lasting = map[kind][2]float64{
	freeze:     {0.1, 2.5},
	kill:       {0.1, 1.2},
	stop:       {0.1, 2.5},
	halfClose:  {0.1, 1},
	slowReader: {0.1, 2.5},
	earlyClose: {1, 2.5},
	full:       {0.5, 1.5},
	unasked:    {0.5, 1.5},
	standstill: {0.2, 1.5},
}

// A fault is one that is going to happen. Its times count from the first
// request on.
type fault struct {
	kind   kind
	server int // for a move, where the name leads from then on
	start  time.Duration
	end    time.Duration // when it is healed; start if it is over at once
	share  float64       // of the server's connections, for a kind that takes some of them
	tell   bool          // a move: the pool is told; full: the refused are told why
}

func (f fault) String() string {
	switch f.kind {
	case move:
		if f.tell {
			return "move to " + serverNames[f.server] + ", and the pool is told"
		}
		return "move to " + serverNames[f.server]
	case reset:
		return fmt.Sprintf("reset %.0f %% of %s", 100*f.share, serverNames[f.server])
	case standstill:
		return fmt.Sprintf("standstill for %.1f s", (f.end - f.start).Seconds())
	case full:
		how := "and hangs up"
		if f.tell {
			how = "and says so"
		}
		return fmt.Sprintf("full %s for %.1f s, %s", serverNames[f.server], (f.end - f.start).Seconds(), how)
	case unasked:
		return fmt.Sprintf("unasked %s after %.0f %% of the replies for %.1f s", serverNames[f.server], 100*f.chatter(), (f.end - f.start).Seconds())
	case halfClose, slowReader:
		return fmt.Sprintf("%s %.0f %% of %s for %.1f s", f.kind, 100*f.share, serverNames[f.server], (f.end - f.start).Seconds())
	default:
		return fmt.Sprintf("%s %s for %.1f s", f.kind, serverNames[f.server], (f.end - f.start).Seconds())
	}
}

// chatter is the share of the replies after which the server says more.
func (f fault) chatter() float64 { return f.share / 10 }

// mannered reports whether the kind shows in what is said and dialled, and so
// needs a load.
func mannered(k kind) bool { return k == earlyClose || k == full || k == unasked }

// heals reports whether the fault has to be healed later. A standstill is over
// when this process gets to know of it.
func (f fault) heals() bool { return f.end > f.start && f.kind != standstill }

// A round has a fault of every kind that is asked for, or as many as there is time for.
type round struct {
	start  time.Duration
	faults []fault // in the order of their starts
	end    time.Duration
}

const (
	warmUp   = 2 * time.Second // of load, before the first quiet moment
	calm     = time.Second     // before a quiet moment, and from then to the next round
	leastGap = 300 * time.Millisecond
	mostGap  = 2500 * time.Millisecond
	recovery = time.Second // from the heal of a server to its next fault: the pool is to be back
)

// plan returns the rounds of a run. It is a function of the options.
func plan(o options) []round {
	p := planner{rand: rand.New(rand.NewPCG(o.seed, 0)), kinds: o.kinds, within: o.within, last: o.total - calm}
	var rounds []round
	for start := warmUp + calm; ; start = rounds[len(rounds)-1].end + 2*calm {
		r, complete := p.round(start)
		if len(r.faults) > 0 {
			rounds = append(rounds, r)
		}
		if !complete {
			return rounds
		}
	}
}

type planner struct {
	rand   *rand.Rand
	kinds  []kind
	within time.Duration
	last   time.Duration // when the last fault has to be healed
	name   int           // the server that the name leads to
}

// round draws the faults of a round, and reports whether there was time for
// all of them.
func (p *planner) round(start time.Duration) (r round, complete bool) {
	r.start, r.end = start, start
	var free [2]time.Duration // when a server is well again
	at := start
	for _, i := range p.rand.Perm(len(p.kinds)) {
		at += p.between(leastGap, mostGap)
		f := p.fault(p.kinds[i], at, free)
		if f.end > p.last {
			return r, false
		}
		at = f.start
		switch f.kind {
		case move:
			p.name = f.server
		case standstill: // what is to be healed meanwhile is healed at its end
			at = f.end
			for i := range free {
				free[i] = max(free[i], f.end+recovery)
			}
		default:
			free[f.server] = f.end + recovery
		}
		r.faults = append(r.faults, f)
		r.end = max(r.end, f.end)
	}
	return r, true
}

// fault draws one that starts at a time, or when its server is well.
func (p *planner) fault(k kind, at time.Duration, free [2]time.Duration) fault {
	f := fault{kind: k, server: p.name, share: 0.2 + 0.8*p.rand.Float64(), tell: p.rand.IntN(2) == 0}
	if other := p.rand.IntN(5) == 0; k == move || other && !mannered(k) {
		f.server = 1 - p.name
	}
	if k != move && k != standstill {
		at = max(at, free[f.server])
	}
	f.start, f.end = at, at
	if l, lasts := lasting[k]; lasts {
		f.end += p.between(p.scaled(l[0]), p.scaled(l[1]))
	}
	return f
}

func (p *planner) scaled(by float64) time.Duration {
	return time.Duration(by * float64(p.within))
}

func (p *planner) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.rand.Float64()*float64(most-least))
}
