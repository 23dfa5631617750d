package testnet_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// stateful is a firewall that lets through what it knows, and new connections.
const stateful = `table ip guard {
	chain pass {
		type filter hook forward priority filter; policy drop
		ct state established accept
		tcp flags & (syn | ack) == syn accept
	}
}`

// guarded is a chain of n hosts as [connected] makes it, but its connection was
// made through a stateful firewall on hosts[1].
func guarded(t *testing.T, n int) (hosts []*testnet.Host, c net.Conn) {
	t.Helper()
	hosts, l, before := connected(t, n)
	before.Close() // the server serves one at a time
	hosts[1].Sysctl("net/netfilter/nf_conntrack_tcp_loose", "0")
	hosts[1].Firewall(stateful)
	c = dial(t, hosts[0], l.Addr().String())
	if err := echo(c, patience); err != nil {
		t.Fatal(err)
	}
	return hosts, c
}

func TestAFirewallThatForgetsAFlowDropsIt(t *testing.T) {
	t.Parallel()
	hosts, c := guarded(t, 3)
	hosts[1].ForgetFlows()
	mustBeSilent(t, c)
	hosts[1].Firewall("")
	if err := echo(c, patience); err != nil {
		t.Errorf("without rules: %v", err)
	}
}

func TestForgettingLeavesTheFlowsOfOtherHosts(t *testing.T) {
	t.Parallel()
	hosts, c := guarded(t, 3)
	hosts[0].ForgetFlows()
	hosts[2].ForgetFlows()
	if err := echo(c, patience); err != nil {
		t.Error(err)
	}
}

func TestAFirewallAnswersAsItsRulesSay(t *testing.T) {
	t.Parallel()
	hosts, _, c := connected(t, 3)
	hosts[1].Firewall(`table ip guard {
		chain pass {
			type filter hook forward priority filter
			meta l4proto tcp reject with tcp reset
		}
	}`)
	if err := echo(c, patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("echo: %v, want ECONNRESET", err)
	}
}
