package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/net/dns/dnsmessage"
)

// hostName ends with a dot, so that no search list applies.
const hostName = "service.soak.test."

// A nameServer answers for hostName, which leads to one host at a time.
type nameServer struct {
	conn net.PacketConn
	host atomic.Pointer[[4]byte]
	wg   sync.WaitGroup
}

func newNameServer(host string) (*nameServer, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &nameServer{conn: conn}
	n.lead(host)
	n.wg.Go(n.serve)
	return n, nil
}

// lead has the name lead to host, an IPv4 address.
func (n *nameServer) lead(host string) {
	ip := [4]byte(net.ParseIP(host).To4())
	n.host.Store(&ip)
}

// resolver asks this server, whatever the machine's configuration says.
func (n *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", n.conn.LocalAddr().String())
	}}
}

func (n *nameServer) close() {
	n.conn.Close()
	n.wg.Wait()
}

func (n *nameServer) serve() {
	b := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(b)
		if err != nil {
			return
		}
		if reply, err := n.reply(b[:size]); err == nil {
			_, _ = n.conn.WriteTo(reply, from) // who asked may be gone
		}
	}
}

// reply answers a query: with the address, or with nothing to other questions
// about the name.
func (n *nameServer) reply(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case q.Name.String() != hostName:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && q.Class == dnsmessage.ClassINET:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: *n.host.Load()},
		}}
	}
	return m.Pack()
}

// portOf returns the port of an address.
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "0"
	}
	return port
}
