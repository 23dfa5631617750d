package otelhale

import (
	"context"
	"net"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// pendingMost bounds the deaths that wait for an outage to explain them.
const pendingMost = 128

// loss is a connection that died.
type loss struct {
	dead    *health.DeadError
	peer    net.Addr // or nil
	inUse   bool
	victim  trace.SpanContext // of the request that was using it, if it was in one
	outage  uint64            // that it begins or belongs to, or 0
	counted bool
}

func (l loss) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{keyCause.String(l.dead.Cause.String()), seconds(keySilence, l.dead.Silence), keyInUse.Bool(l.inUse)}
}

// evict is told of every connection that leaves. The pool tells of a death
// before it tells of the outage that begins with it.
func (p *PoolTelemetry) evict(info pool.EvictInfo) {
	ctx := info.Context
	if ctx == nil {
		ctx = context.Background()
	}
	p.t.instruments.connectionDuration.Record(ctx, info.Age.Seconds(), p.labels.end(info.Reason, info.Err).record...)
	if info.Err == nil || !isDeath(info.Err.Cause) {
		return
	}
	l := loss{dead: info.Err, peer: peerOf(info), inUse: info.InUse, victim: trace.SpanContextFromContext(ctx), outage: info.Outage}
	if info.Context != nil {
		p.tellHolder(ctx, l)
	}
	p.mu.Lock()
	o, dropped := p.outages[l.outage], loss{}
	// Without an outage, a reset may yet belong to one that begins with the next
	// dial; a silence came too late for the one before.
	untold := l.outage > p.begun || l.outage == 0 && !l.dead.Cause.Silent()
	if untold = untold && !p.closed; untold {
		l.counted = l.outage == 0
		dropped = p.keep(l)
	}
	p.mu.Unlock()
	switch {
	case o != nil:
		p.lose(o, l)
	case !untold || l.counted:
		p.count(ctx, loss{dead: l.dead, peer: l.peer})
	}
	if dropped.dead != nil {
		p.count(context.Background(), dropped)
	}
}

// peerOf is who was at the other end of a connection that died. A pool's own
// check does not know.
func peerOf(info pool.EvictInfo) net.Addr {
	if info.Err.Peer == nil && info.Conn != nil {
		return info.Conn.RemoteAddr()
	}
	return info.Err.Peer
}

// keep remembers l for an outage that begins with it, or may: the next dial
// decides. It returns what there is no room for. The caller holds p.mu.
func (p *PoolTelemetry) keep(l loss) (dropped loss) {
	if len(p.pending) == pendingMost {
		dropped, p.pending = p.pending[0], p.pending[1:]
	}
	p.pending = append(p.pending, l)
	return dropped
}

// explain takes the deaths that belong to an outage which begins. The caller
// holds p.mu.
func (p *PoolTelemetry) explain(info pool.Outage) []loss {
	var mine, others []loss
	for _, l := range p.pending {
		switch {
		case l.outage > info.ID: // of the next
			others = append(others, l)
		case !l.counted || l.dead == info.Death || !l.dead.Detected.Before(info.Began):
			mine = append(mine, l)
		}
	}
	p.pending = others
	return mine
}

// count counts a death, once.
func (p *PoolTelemetry) count(ctx context.Context, l loss) {
	if l.counted {
		return
	}
	labels := p.labels.cause(l.dead.Cause)
	if p.t.peerAddress && l.peer != nil {
		labels = labels.at(l.peer)
	}
	p.t.died(ctx, labels, l.dead)
}

// lose books a death to an outage, with a link to the span that it hit.
func (p *PoolTelemetry) lose(o *outage, l loss) {
	p.count(o.ctx, l)
	p.tell(o, eventLost, l.dead.Detected, l.attributes()...)
	id := spanID{l.victim.TraceID(), l.victim.SpanID()}
	p.mu.Lock()
	o.lost++
	_, linked := o.linked[id]
	if linked = linked || len(o.linked) == linksMost; !linked {
		o.linked[id] = struct{}{}
	}
	p.mu.Unlock()
	if !linked {
		link(o.span, l.victim, "victim")
	}
}

// tellHolder leaves an event on the span of the request that the connection
// died under.
func (p *PoolTelemetry) tellHolder(ctx context.Context, l loss) {
	attrs := []attribute.KeyValue{
		keyPoolName.String(p.name),
		semconv.ErrorTypeKey.String(l.dead.Cause.String()),
		keyCause.String(l.dead.Cause.String()),
		seconds(keySilence, l.dead.Silence),
	}
	attrs = append(attrs, peerAttributes(l.peer)...)
	p.t.event(ctx, eventDetected, l.dead.Detected, attrs...)
}
