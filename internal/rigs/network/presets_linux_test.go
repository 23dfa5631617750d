package network

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// forgets is after how long without a packet the NAT of tryPathIdle forgets a flow.
const forgets = 4 * time.Second

// tryPathIdle has one packet of two lost before a NAT that forgets: the second probe
// keeps the flow known, by the watch and by the kernel alone. Without PathIdleTimeout
// the flow is gone.
func tryPathIdle(t *testing.T) {
	preset := sockopt.Within(sockopt.DefaultWithin)
	without := preset
	preset.PathIdleTimeout = forgets
	for _, test := range []struct {
		name  string
		dial  func(s *scene, k sockopt.KeepAlive) (net.Conn, error)
		k     sockopt.KeepAlive
		knows bool
	}{
		{"with the watch", (*scene).dialWatched, preset, true},
		{"by the kernel alone", (*scene).dialUnwatched, preset, true},
		{"without, with the watch", (*scene).dialWatched, without, false},
		{"without, by the kernel alone", (*scene).dialUnwatched, without, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 3)
			translate("drop")(s)
			s.hosts[1].Sysctl("net/netfilter/nf_conntrack_tcp_timeout_established", strconv.Itoa(int(forgets.Seconds())))
			s.local = startServer(t, s.server, port)
			c := s.connected(test.dial, test.k)
			if err := ask(c, echo); err != nil {
				t.Fatal(err)
			}
			s.settle()
			s.hosts[1].Firewall(natRules("drop") + oneOfTwo)
			s.built()
			time.Sleep(3 * forgets) // this is about time alone
			c.SetDeadline(time.Now().Add(2 * noise))
			err := ask(c, echo)
			if test.knows && err != nil || !test.knows && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the NAT knows the flow, %t: %v", test.knows, err)
			}
		})
	}
}

// connected dials until the network, which is new, lets it.
func (s *scene) connected(dial func(*scene, sockopt.KeepAlive) (net.Conn, error), k sockopt.KeepAlive) (c net.Conn) {
	s.t.Helper()
	eventually(s.t, promise, "a connection", func() bool {
		var err error
		c, err = dial(s, k)
		return err == nil
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// oneOfTwo loses every second packet from the client, before the NAT has seen it.
const oneOfTwo = `
	table ip lossy {
		chain first {
			type filter hook prerouting priority raw
			iifname "left" meta l4proto tcp numgen inc mod 2 0 drop
		}
	}`

func (s *scene) dialWatched(k sockopt.KeepAlive) (net.Conn, error) {
	return s.dialBy(&hale.Dialer{KeepAlive: k})
}

func (s *scene) dialUnwatched(k sockopt.KeepAlive) (net.Conn, error) {
	return s.dialBy(&net.Dialer{KeepAlive: -1, Control: sockopt.Control(k)})
}

func (s *scene) dialBy(d interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}) (c net.Conn, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), dialTimeout)
	defer cancel()
	err = s.client.Do(func() error {
		c, err = d.DialContext(ctx, "tcp", s.address)
		return err
	})
	return c, err
}

// The gaps of tryGaps. By Within alone Idle would be longer than they are.
const (
	gapWithin = 8 * time.Second
	gap       = 3 * time.Second
	// gapMade is how long the path is dead: nft(8) takes its time, twice.
	gapMade = gap - 800*time.Millisecond
)

// gapRules swallow everything.
const gapRules = `table ip gap {
	chain in {
		type filter hook input priority filter
		meta l4proto tcp drop
	}
	chain out {
		type filter hook output priority filter
		meta l4proto tcp drop
	}
}`

// tryGaps has nothing pass for a while, again and again, each time at another moment
// between two probes: nobody is given up, idle or with a request under way. Then it
// lasts for longer, and all are, within the promise.
func tryGaps(t *testing.T) {
	t.Parallel()
	s := newScene(t, 2)
	s.local = startServer(t, s.server, port)
	k := sockopt.Within(gapWithin)
	k.TolerateGap = gap
	var conns []*hale.Conn
	for range 8 {
		conns = append(conns, s.connected((*scene).dialWatched, k).(*hale.Conn))
	}
	alone := s.connected((*scene).dialUnwatched, k)
	busy := make(chan error, len(conns)/2)
	for _, c := range conns[:len(conns)/2] {
		go func() {
			for {
				if err := ask(c, echo); err != nil {
					busy <- err
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	s.built()
	longest := time.Duration(0)
	for round := range 4 {
		began := time.Now()
		s.server.Firewall(gapRules)
		time.Sleep(gapMade)
		s.server.Firewall("")
		longest = max(longest, time.Since(began))
		time.Sleep(gapWithin/8 + time.Duration(round)*250*time.Millisecond)
	}
	if longest > gap {
		t.Logf("this machine is too busy for this: it made a gap of %v", longest)
		return
	}
	for i, c := range conns {
		if c.Err() != nil {
			t.Fatalf("connection %d was given up: %v", i, c.Err())
		}
	}
	alone.SetDeadline(time.Now().Add(noise))
	if err := ask(alone, echo); err != nil {
		t.Errorf("by the kernel alone: %v", err)
	}
	broke := time.Now()
	s.server.Firewall(gapRules)
	made := time.Since(broke)
	for i, c := range conns {
		select {
		case <-c.Done():
		case <-time.After(time.Until(broke.Add(made + gapWithin + noise))):
			info, err := c.Info()
			t.Fatalf("connection %d is still there: %+v, %v", i, info, err)
		}
		dead := c.Err().(*health.DeadError)
		if took := dead.Detected.Sub(broke); !dead.Cause.Silent() || took < gap || took > made+gapWithin {
			t.Errorf("connection %d: %v, after %v", i, dead, took)
		}
		if dead.Promised != gapWithin {
			t.Errorf("promised: %v", dead.Promised)
		}
	}
	for range cap(busy) {
		<-busy
	}
}
