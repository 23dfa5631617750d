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
	fate      string // what happens, to follow "the peer"
	elsewhere bool   // the peer is a process of its own
	happen    func(*link) error
	predict   func(sockopt.Report) prediction
	cause     health.Cause // that hale has to name; Unknown if nothing is to be noticed
	why       string       // why a connection that net.Dialer made has noticed nothing yet
}

var scenarios = []scenario{{
	name: "idle", fate: "is frozen: nothing comes back any more",
	happen: freeze, predict: window, cause: health.KeepAliveTimeout,
	why: "its defaults (idle 15s, interval 15s, count 9) predict 135 to 150 s",
}, {
	name: "unacked", fate: "is frozen, and data is on its way to it",
	happen: freezeAndWrite, predict: userTimeout, cause: health.SendTimeout,
	why: "keepalive is silent while data is unacknowledged, and the kernel retransmits for about 15 minutes",
}, {
	name: "stalled", fate: "lives and stops reading, until its buffer is full",
	happen: stall, predict: userTimeout, cause: health.PeerStalled,
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

// stall writes more than two socket buffers hold. The Write can only end by
// the connection's death, or by link.close.
func stall(l *link) error {
	if err := l.peer.SetReadBuffer(4 << 10); err != nil {
		return err
	}
	l.calls.Go(func() { l.client.Write(make([]byte, 16<<20)) })
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

// window is for an idle connection. The connection may have been quiet for any
// time before, which is why it is an interval.
func window(r sockopt.Report) prediction {
	earliest, latest := r.Window()
	return prediction{min: earliest, max: latest}
}

// userTimeout is for a connection with data to send. The user timeout's clock
// starts late: at the first retransmission, some 0.4 s after the data was sent
// (a tail loss probe comes first), or at the first window probe, after 0.2 s.
func userTimeout(r sockopt.Report) prediction {
	const start = 500 * time.Millisecond
	return prediction{min: r.Got.UserTimeout, max: r.Got.UserTimeout + start}
}

func atOnce(sockopt.Report) prediction { return prediction{max: 100 * time.Millisecond} }

// never watches for as long as an idle connection's death could take.
func never(r sockopt.Report) prediction {
	p := window(r)
	return prediction{max: p.latest(), never: true}
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
