package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/peer"
	"example.com/hale/sockopt"
)

// A scenario is something that can happen to a peer.
type scenario struct {
	name      string
	fate      string                                // what happens, to follow "the peer"
	elsewhere bool                                  // the peer is a process of its own
	slow      bool                                  // before, the peer reads slowly
	count     int                                   // the Count, if no flag says which; 0 is the default
	stall     func(sockopt.KeepAlive) time.Duration // the StallTimeout for what the flags say; nil is as they say
	happen    func(*peer.Link) error
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
	happen: stall, predict: stalled, stall: unlimited,
	why: "it waits as long as the peer's kernel answers",
}, {
	name: "slow", fate: "is frozen, after it had lived and read 10 KB/s for longer than a death may take",
	happen: freeze, predict: shut, cause: health.SendTimeout, stall: unlimited, slow: true, count: 2,
	why: "its kernel goes on asking whether the window is still shut, for about 15 minutes",
}, {
	name: "reset", fate: "sends RST",
	happen: reset, predict: atOnce, cause: health.Reset,
}, {
	name: "fin", fate: "closes in good order",
	happen: func(l *peer.Link) error { return l.Peer.Close() }, predict: atOnce, cause: health.PeerClosed,
}, {
	name: "stopped", fate: "is a process under SIGSTOP, and nothing shows it: its kernel answers every probe", elsewhere: true,
	happen: func(l *peer.Link) error { return l.Process.Suspend() }, predict: never,
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

// unlimited has a stall last for ever, whatever the flags say.
func unlimited(sockopt.KeepAlive) time.Duration { return -1 }

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

func freeze(l *peer.Link) error {
	_, err := healthtest.Freeze(l.Peer) // for good: it is not thawed
	return err
}

func freezeAndWrite(l *peer.Link) error {
	if err := freeze(l); err != nil {
		return err
	}
	_, err := l.Client.Write([]byte(peer.Greeting))
	return err
}

func stall(l *peer.Link) error {
	l.Fill()
	return nil
}

func reset(l *peer.Link) error {
	// Closing with linger 0 sends RST in place of FIN (socket(7), SO_LINGER).
	return errors.Join(l.Peer.SetLinger(0), l.Peer.Close())
}
