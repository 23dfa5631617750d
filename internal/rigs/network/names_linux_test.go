package network

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// serviceName is a name that is complete: nobody appends a search domain to it.
const serviceName = "service.test."

// names is a name server on this host's loopback, with one answer to every
// question. The answer may change.
type names struct {
	conn    net.PacketConn
	running sync.WaitGroup

	mu     sync.Mutex // guards answer
	answer []netip.Addr
}

// startNames starts a name server. The caller stops it.
func startNames(answer ...netip.Addr) (*names, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &names{conn: conn, answer: answer}
	n.running.Go(n.serve)
	return n, nil
}

func (n *names) stop() {
	n.conn.Close()
	n.running.Wait()
}

// set changes the answer.
func (n *names) set(answer ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// resolver asks n, and nobody else.
func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

func (n *names) serve() {
	b := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(b)
		if err != nil {
			return
		}
		if reply, err := n.reply(b[:size]); err == nil {
			_, _ = n.conn.WriteTo(reply, from)
		}
	}
}

// reply answers a query. The addresses may be used once: nobody caches them.
func (n *names) reply(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range m.Questions {
		for _, addr := range n.answer {
			if body := resource(addr); typeOf(body) == q.Type {
				h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
			}
		}
	}
	return m.Pack()
}

func resource(addr netip.Addr) dnsmessage.ResourceBody {
	if addr.Is4() {
		return &dnsmessage.AResource{A: addr.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: addr.As16()}
}

func typeOf(body dnsmessage.ResourceBody) dnsmessage.Type {
	if _, ok := body.(*dnsmessage.AResource); ok {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}
