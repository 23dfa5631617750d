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
	for state, want := range map[string]health.Cause{"in flight": health.Unreachable, "idle": health.KeepAliveTimeout} {
		t.Run(state, func(t *testing.T) {
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
			hosts[1].Firewall("table ip guard { chain in { type filter hook input priority filter; meta l4proto tcp reject with icmp type host-unreachable; }; }")
			start, awake := time.Now(), awake.Begin(atOnce)
			if state == "in flight" {
				c.Write([]byte("x"))
			}
			waitDone(t, c.(*Conn))
			after := time.Since(start) - awake.Stop()
			const slow = time.Second // of a machine that is busy; the promise itself is measured in internal/rigs/promise
			if dead := asDead(t, c.(*Conn).Err()); dead.Cause != want || after > verdictBudget+slow {
				t.Errorf("%v after %v, %+v", dead, after, dead.Info)
			}
		})
	}
}
