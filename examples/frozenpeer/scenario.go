package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/healthtest"
	"example.com/hale/sockopt"
)

// A scenario is something that can happen to a peer.
type scenario struct {
	name      string
	fate      string                                // what happens, to follow "the peer"
	elsewhere bool                                  // the peer is a process of its own
	stall     func(sockopt.KeepAlive) time.Duration // the StallTimeout for what the flags say; nil is as they say
	happen    func(*link) error
	predict   predictFunc
	cause     health.Cause // that hale has to name, if anything is to be noticed
	why       string       // why a connection that net.Dialer made has noticed nothing yet
}

var scenarios = []scenario{{
	name: "idle", fate: "is frozen: nothing comes back any more",
	happen: freeze, predict: window, cause: health.KeepAliveTimeout,
	why: "its defaults (idle 15s, interval 15s, count 9) predict 135 to 150 s",
}, {
	name: "unacked", fate: "is frozen, and data is on its way to it",
	happen: freezeAndWrite, predict: unacknowledged, cause: health.SendTimeout,
	why: "keepalive is silent while data is unacknowledged, and the kernel retransmits for about 15 minutes",
}, {
	name: "stalled", fate: "lives and stops reading, until its buffer is full",
	happen: stall, predict: stalled, cause: health.PeerStalled, stall: limited,
	why: "it waits as long as the peer's kernel answers",
}, {
	name: "tolerated", fate: "lives and stops reading, and no StallTimeout ends that",
	happen: stall, predict: stalled, stall: func(sockopt.KeepAlive) time.Duration { return -1 },
	why: "it waits as long as the peer's kernel answers",
}, {
	name: "reset", fate: "sends RST",
	happen: reset, predict: atOnce, cause: health.Reset,
}, {
	name: "fin", fate: "closes in good order",
	happen: func(l *link) error { return l.peer.Close() }, predict: atOnce, cause: health.PeerClosed,
}, {
	name: "stopped", fate: "is a process under SIGSTOP, and nothing shows it: its kernel answers every probe", elsewhere: true,
	happen: func(l *link) error { return l.child.stop() }, predict: never,
	why: "no socket option finds this, only a heartbeat of the application",
}}

// limited has a stall end after the detection window, if no flag says when.
func limited(k sockopt.KeepAlive) time.Duration {
	_, latest := k.Window()
	if k.StallTimeout > 0 || latest == sockopt.Never {
		return k.StallTimeout
	}
	return latest
}

func names() string {
	var list []string
	for _, s := range scenarios {
		list = append(list, s.name)
	}
	return strings.Join(append(list, "all"), ", ")
}

func find(name string) ([]scenario, error) {
	if name == "all" {
		return scenarios, nil
	}
	for _, s := range scenarios {
		if s.name == name {
			return []scenario{s}, nil
		}
	}
	return nil, fmt.Errorf("-scenario %q: not one of %s", name, names())
}

func freeze(l *link) error {
	_, err := healthtest.Freeze(l.peer) // for good: it is not thawed
	return err
}

func freezeAndWrite(l *link) error {
	if err := freeze(l); err != nil {
		return err
	}
	_, err := l.client.Write([]byte(greeting))
	return err
}

// stall writes until both socket buffers are full, and on: it can only end by
// the connection's death, or by link.close.
func stall(l *link) error {
	l.calls.Go(func() {
		b := make([]byte, 64<<10)
		for err := error(nil); err == nil; {
			_, err = l.client.Write(b)
		}
	})
	return nil
}

func reset(l *link) error {
	// Closing with linger 0 sends RST in place of FIN (socket(7), SO_LINGER).
	return errors.Join(l.peer.SetLinger(0), l.peer.Close())
}

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

// unacknowledged is for a silent peer with data on its way to it, which hale's
// watch ends, or a timeout of the kernel's if that comes first. The watch counts
// the silence before as well, up to the idle time.
func unacknowledged(r sockopt.Report, quiet time.Duration) prediction {
	unlimited := r
	unlimited.Got.UserTimeout = 0
	_, latest := unlimited.Window()
	silence := max(r.Asked.UserTimeout, latest)
	p := prediction{min: silence - min(quiet, r.Got.Idle, silence/2), max: silence + clockStart}
	if t := r.Got.UserTimeout; t > 0 {
		p.min, p.max = min(p.min, t), min(p.max, t+clockStart)
	}
	return p
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
func (p prediction) holds(o outcome) bool {
	if p.never || !o.noticed() {
		return p.never && !o.noticed()
	}
	return p.earliest() <= o.after && o.after <= p.latest()
}

// patience is how long to watch.
func (p prediction) patience() time.Duration {
	if p.never {
		return p.max
	}
	return p.latest() + 2*time.Second // to see how late it is, if it is
}
