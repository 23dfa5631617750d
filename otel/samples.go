package otelhale

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"example.com/hale"
)

// sampled records what the watch has seen of a living connection. A round trip is news
// only if something was acknowledged: the kernel measures it then.
func (d *dials) sampled(info hale.SampledInfo) {
	i, ctx, labels := d.t.instruments, context.Background(), d.sampledAt(info.Conn)
	if info.Acked > 0 && info.Info.RTT > 0 {
		i.rtt.Record(ctx, info.Info.RTT.Seconds(), labels.record...)
	}
	i.probes.Record(ctx, int64(info.Info.Probes), labels.record...)
	i.inFlight.Record(ctx, int64(info.Info.Unacked), labels.record...)
	if info.Sent > 0 {
		i.sent.Add(ctx, int64(info.Sent), labels.add...)
	}
	if info.Retransmitted > 0 {
		i.retransmitted.Add(ctx, int64(info.Retransmitted), labels.add...)
	}
}

// sampledAt is the labels of a sample: made once for each peer, since there are many.
func (d *dials) sampledAt(c *hale.Conn) set {
	if !d.t.peerAddress {
		return d.labels.plain
	}
	return d.peers.of(d.labels, c.RemoteAddr())
}

// peersKept bounds the peers whose labels are kept.
const peersKept = 1024

// peers has the labels of connections, with who is at their other end.
type peers struct {
	mu   sync.Mutex // guards sets
	sets map[netip.AddrPort]set
}

func (p *peers) of(l *labels, peer net.Addr) set {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return newSet(l.base, peerAttributes(peer)...)
	}
	key := tcp.AddrPort()
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.sets[key]
	if !ok {
		if len(p.sets) >= peersKept {
			clear(p.sets)
		}
		if p.sets == nil {
			p.sets = make(map[netip.AddrPort]set)
		}
		s = newSet(l.base, peerAttributes(peer)...)
		p.sets[key] = s
	}
	return s
}
