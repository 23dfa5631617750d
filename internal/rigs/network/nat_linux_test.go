package network

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"example.com/hale/sockopt"
)

// natTimeout is how long a NAT remembers a silent flow, in tryNAT. Those of
// clouds take minutes.
const natTimeout = 3 * time.Second

const keptAlive = "NAT that forgets what is silent for longer than Idle"

// tryNAT holds keepalive to its other purpose: a probe in time keeps the flow
// known. A connection that probes later is forgotten.
func tryNAT(t *testing.T) {
	row(keptAlive)
	t.Parallel()
	s := newScene(t, 3)
	translate("drop")(s)
	s.hosts[1].Sysctl("net/netfilter/nf_conntrack_tcp_timeout_established",
		strconv.Itoa(int(natTimeout.Seconds())))
	s.local = startServer(t, s.server, port)
	late := s.dialLate()
	defer late.Close()
	s.open(1)
	before := s.used()
	s.built()

	s.noDeath(livesOn(nil, window{to: 3 * natTimeout}))
	if after := s.used(); after != before {
		t.Errorf("the connection from %v has been replaced by one from %v", before, after)
	}
	record(keptAlive, columnIdle, "lives on", untimed)

	late.SetDeadline(time.Now().Add(noise))
	if err := ask(late, echo); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that was silent for longer than the NAT remembers: %v, want no answer", err)
	}
	late.Close()
	s.close()
}

// dialLate dials under a promise of 30 s, whose first probe comes later than the
// NAT remembers.
func (s *scene) dialLate() net.Conn {
	s.t.Helper()
	s.dialer.KeepAlive = sockopt.Within(sockopt.DefaultWithin)
	defer func() { s.dialer.KeepAlive = keepAlive }()
	var c net.Conn
	eventually(s.t, promise, "the NAT lets a connection through", func() (ok bool) {
		ctx, cancel := context.WithTimeout(s.t.Context(), dialTimeout)
		defer cancel()
		var err error
		c, err = s.dial(ctx)
		return err == nil
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
	return c
}

// used uses the pool's connection, and returns its address on this side.
func (s *scene) used() string {
	s.t.Helper()
	c := s.acquire()
	defer c.Release()
	if err := ask(c.Value(), echo); err != nil {
		s.t.Error(err)
	}
	return c.Value().LocalAddr().String()
}
