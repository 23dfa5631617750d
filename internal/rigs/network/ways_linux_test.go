package network

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
)

// The ways to break a network, and to mend it, that need more than a line.

func addressGone(s *scene) { s.server.IP("addr del " + s.server.Addr(testnet.Left) + "/24 dev left") }
func addressBack(s *scene) { s.server.IP("addr add " + s.server.Addr(testnet.Left) + "/24 dev left") }

func returnRouteBack(s *scene) {
	s.server.IP("route add 10.77.0.0/24 via " + s.hosts[1].Addr(testnet.Right))
}

// reboot has the server's machine forget its connections, while it cannot tell
// anybody.
func reboot(s *scene) {
	s.server.Unplug(testnet.Left)
	s.local.forget()
	s.awaitNone(s.server)
	s.server.Plug(testnet.Left)
}

// eagerRouter has the router say of every packet that it cannot deliver it, not
// once a second, and as soon as one ARP request is unanswered, not three.
func eagerRouter(s *scene) {
	s.hosts[1].Sysctl("net/ipv4/icmp_ratelimit", "0")
	s.hosts[1].Sysctl("net/ipv4/neigh/"+testnet.Right+"/mcast_solicit", "1")
}

// The IPv6 addresses. Where IPv4 is to be had too, these come first (RFC 6724).
const (
	clientSixth = "2001:db8:77::1"
	serverSixth = "2001:db8:77::2"
)

// sixth has the client dial by IPv6.
func (s *scene) sixth() {
	s.client.IP("-6 addr add " + clientSixth + "/64 dev right nodad")
	s.server.IP("-6 addr add " + serverSixth + "/64 dev left nodad")
	s.address = net.JoinHostPort(serverSixth, strings.TrimPrefix(port, ":"))
}

func swallowSixth(s *scene) {
	s.server.Firewall(`table ip6 hole {
		chain in {
			type filter hook input priority filter
			meta l4proto tcp drop
		}
	}`)
}

// translate makes the router a NAT. What is neither new nor known to it meets
// the verdict.
func translate(verdict string) func(s *scene) {
	return func(s *scene) {
		s.hosts[1].Sysctl("net/netfilter/nf_conntrack_tcp_loose", "0")
		s.hosts[1].Firewall(natRules(verdict))
	}
}

func natRules(verdict string) string {
	return `table ip nat {
		chain pass {
			type filter hook forward priority filter
			ct state established accept
			tcp flags & (syn | ack) == syn accept
			` + verdict + `
		}
		chain out {
			type nat hook postrouting priority srcnat
			oifname "right" masquerade
		}
	}`
}

// heartbeat has the pool ask the server's program.
func (s *scene) heartbeat() {
	s.config.Check = func(_ context.Context, c net.Conn) error { return ask(c, echo) }
	s.config.Heartbeat, s.config.CheckTimeout = beatEvery, beatTimeout
}

// stillWrites checks that what is sent reaches a server that has closed its
// own side.
func stillWrites(s *scene, c net.Conn) {
	s.t.Helper()
	if _, err := c.Write([]byte{echo}); err != nil {
		s.t.Errorf("write: %v", err)
	}
	eventually(s.t, promise, "the server has read it", func() bool {
		got := s.local.got()
		return got[len(got)-1] == echo
	})
}

// crowd has the server accept nothing more, and fills its backlog.
func (s *scene) crowd() {
	s.local.gate.Lock()
	var crowd []net.Conn
	s.disperse = sync.OnceFunc(func() {
		for _, c := range crowd {
			c.Close()
		}
		s.local.gate.Unlock()
	})
	s.t.Cleanup(s.disperse)
	for range 100 {
		c, err := s.dialPlain()
		if err != nil {
			return
		}
		crowd = append(crowd, c)
	}
	s.t.Error("the backlog has no end")
}

// dialPlain dials without a login, for so long as a dial takes at the most on a
// network in good order.
func (s *scene) dialPlain() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), noise)
	defer cancel()
	return s.client.Dial(ctx, &net.Dialer{KeepAlive: -1}, s.address)
}

// named puts the client between two servers, and has it dial the first one by a
// name.
func (s *scene) named() {
	s.client, s.server = s.hosts[1], s.hosts[0]
	startServer(s.t, s.hosts[2], port)
	n, err := startNames(netip.MustParseAddr(s.server.Addr(testnet.Right)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(n.stop)
	s.names = n
	s.address = serviceName + port
	s.dialer = hale.Dialer{KeepAlive: keepAlive, NetDialer: &net.Dialer{Resolver: n.resolver()}}
}
