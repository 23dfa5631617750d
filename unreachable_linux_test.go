//go:build linux && !hale_sweep

package hale

import (
	"context"
	"net"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// The kernel would give the connection up in the words of the ICMP message, a
// quarter of an hour later; the watch, whose verdict it is, uses them too. What is
// said about a keepalive probe the kernel does not listen to (its number is below
// the window, tcp_v4_err).
func TestASilenceThatARouterExplainsIsUnreachable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state, says string
		want        health.Cause
	}{
		{"in flight", "host-unreachable", health.Unreachable},
		{"in flight", "net-unreachable", health.Unreachable},
		{"in flight", "port-unreachable", health.Unreachable},
		{"in flight", "prot-unreachable", health.Unreachable},
		{"in flight", "host-prohibited", health.Unreachable},
		{"in flight", "net-prohibited", health.Unreachable},
		{"in flight", "admin-prohibited", health.Unreachable},
		{"idle", "host-unreachable", health.KeepAliveTimeout},
		{"our FIN in flight", "host-unreachable", health.Unreachable},
		{"our FIN in flight", "port-unreachable", health.Unreachable},
	} {
		t.Run(test.state+", "+test.says, func(t *testing.T) {
			t.Parallel()
			hosts := testnet.NewChain(t, 2)
			l := hosts[1].Listen("10.77.0.2:0")
			// The first packet waits for the neighbour's address, which makes the round
			// trip of its connection look like seconds.
			if first, err := hosts[0].Dial(t.Context(), new(net.Dialer), l.Addr().String()); err == nil {
				first.Close()
			}
			var c net.Conn
			err := hosts[0].Do(func() (err error) {
				c, err = (&Dialer{KeepAlive: sockopt.Within(verdictBudget)}).DialContext(context.Background(), "tcp", l.Addr().String())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			hosts[1].Firewall("table ip guard { chain in { type filter hook input priority filter; meta l4proto tcp reject with icmp type " + test.says + "; }; }")
			start, awake := time.Now(), awake.Begin(atOnce)
			switch test.state {
			case "in flight":
				c.Write([]byte("x"))
			case "our FIN in flight":
				c.(*Conn).CloseWrite()
			}
			waitDone(t, c.(*Conn))
			after := time.Since(start) - awake.Stop()
			const slow = time.Second // of a machine that is busy; the promise itself is measured in internal/rigs/promise
			if dead := asDead(t, c.(*Conn).Err()); dead.Cause != test.want || !health.IsDead(dead) || after > verdictBudget+slow {
				t.Errorf("%v after %v, %+v", dead, after, dead.Info)
			}
		})
	}
}
