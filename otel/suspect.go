package otelhale

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"example.com/hale"
	"example.com/hale/health"
)

// suspicionsMost bounds the doubts that are kept for an outage to explain.
const suspicionsMost = 64

// suspicion is a peer that has left something unanswered.
type suspicion struct {
	conn *hale.Conn
	at   time.Time
	info health.Info
}

func (s suspicion) attributes() []attribute.KeyValue {
	return append(peerAttributes(s.conn.RemoteAddr()), keyProbes.Int(s.info.Probes), keyRetransmits.Int(s.info.Retransmits))
}

// suspect is an event on the outage that is running, or on the one that begins
// before the doubt is settled.
func (p *PoolTelemetry) suspect(c *hale.Conn, at time.Time, info health.Info) {
	s := suspicion{c, at, info}
	p.mu.Lock()
	o := p.current()
	if o == nil && !p.closed {
		p.suspects = append(p.suspects[max(0, len(p.suspects)+1-suspicionsMost):], s)
	}
	p.mu.Unlock()
	if o != nil {
		p.tell(o, eventSuspect, at, s.attributes()...)
	}
}

func (p *PoolTelemetry) recovered(c *hale.Conn, at time.Time) {
	if o := p.settled(c); o != nil {
		p.tell(o, eventRecovered, at, peerAttributes(c.RemoteAddr())...)
	}
}

// settled forgets the doubt about c and returns the outage that is running.
func (p *PoolTelemetry) settled(c *hale.Conn) *outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspects = slices.DeleteFunc(p.suspects, func(s suspicion) bool { return s.conn == c })
	return p.current()
}
