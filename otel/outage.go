package otelhale

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale/health"
	"example.com/hale/pool"
)

const (
	// eventsMost and linksMost bound what one outage tells, below the limits of
	// the SDK (128), which drops what came first. The numbers are in attributes.
	eventsMost = 100
	linksMost  = 100
)

// outage is one that is recorded. Its mutable fields are under the pool's
// mutex.
type outage struct {
	id       uint64
	detected trace.Span      // has ended when the outage was told of; without a valid context if it is not wanted
	ctx      context.Context // has span
	span     trace.Span
	began    time.Time
	why      string // error.type
	linked   map[spanID]struct{}
	told     int // events
	lost     int // what was seen of it, for an outage that the pool does not end
	attempts int
	waiters  int
	healed   bool // it has ended so
}

// unreached is what a reconnect failed with that had not succeeded when o ended: a
// reply, or a dial that was under way already, may have healed it.
func (o *outage) unreached() error {
	if o.healed {
		return nil
	}
	return errAbandoned
}

type spanID struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (p *PoolTelemetry) outageBegin(info pool.Outage) {
	p.mu.Lock()
	known := p.closed || info.ID <= p.newest
	p.newest = max(p.newest, info.ID)
	p.mu.Unlock()
	if known {
		return
	}
	o := p.startOutage(info)
	p.mu.Lock()
	p.outages[o.id], p.begun = o, max(p.begun, o.id)
	explained, doubts, closed := p.explain(info), p.suspects, p.closed
	p.suspects = nil
	p.mu.Unlock()
	for _, s := range doubts {
		p.tell(o, eventSuspect, s.at, s.attributes()...)
	}
	p.t.event(o.ctx, eventDetected, info.Detected, p.detectedNow(o, info)...)
	for _, l := range explained {
		p.lose(o, l)
	}
	if closed { // meanwhile
		p.abandon()
	}
}

// startOutage begins the span, at the time of the silence. That of the detection is
// over, and so leaves the process although the outage goes on; it is the root of all,
// or else a backend would know nobody's parent until the end.
func (p *PoolTelemetry) startOutage(info pool.Outage) *outage {
	o := &outage{id: info.ID, began: info.Began, why: whyOutage(info), waiters: info.Waiters, linked: make(map[spanID]struct{})}
	attrs := append(p.serverAttributes(), keyOutageID.Int64(int64(info.ID)))
	attrs = append(attrs, o.detection(info)...)
	attrs = append(attrs, deathAttributes(info.Death)...)
	begin := []trace.SpanStartOption{trace.WithTimestamp(info.Began), trace.WithAttributes(p.labels.spans...), trace.WithAttributes(attrs...)}
	root, detected := p.t.tracers[spanDetection].Start(context.Background(), "detection "+p.name, begin...)
	detected.SetStatus(codes.Error, o.why)
	detected.End(trace.WithTimestamp(info.Detected))
	o.detected = detected
	o.ctx, o.span = p.t.tracers[spanOutage].Start(root, "outage "+p.name, begin...)
	return o
}

// detectedNow says what an event of the detection has to say: in a log, which may be all
// that is left of the outage, everything.
func (p *PoolTelemetry) detectedNow(o *outage, info pool.Outage) []attribute.KeyValue {
	attrs := o.detection(info)
	if p.t.logger == nil {
		return attrs
	}
	attrs = append(attrs, keyPoolName.String(p.name), keyOutageID.Int64(int64(info.ID)))
	attrs = append(attrs, p.serverAttributes()...)
	return append(attrs, deathAttributes(info.Death)...)
}

// parent is the span for what is tried during the outage: one that the backend knows
// by then, or else within.
func (o *outage) parent(within trace.Span) trace.Span {
	if o.detected.SpanContext().IsValid() {
		return o.detected
	}
	return within
}

// tell records a timed detail of o, as long as there is room.
func (p *PoolTelemetry) tell(o *outage, name string, at time.Time, attrs ...attribute.KeyValue) {
	p.mu.Lock()
	o.told++
	room := o.told <= eventsMost
	p.mu.Unlock()
	if room {
		p.t.event(o.ctx, name, at, attrs...)
	}
}

// whyOutage is the outage's error.type.
func whyOutage(info pool.Outage) string {
	if info.Death != nil {
		return info.Death.Cause.String()
	}
	return errorType(info.Dial)
}

// detection says what was known when the outage was noticed.
func (o *outage) detection(info pool.Outage) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.ErrorTypeKey.String(o.why), seconds(keyDetection, info.Detected.Sub(info.Began))}
	if info.Death != nil {
		attrs = append(attrs, keyCause.String(info.Death.Cause.String()))
	}
	return attrs
}

// deathAttributes says who died, and when that was to be noticed.
func deathAttributes(death *health.DeadError) []attribute.KeyValue {
	if death == nil {
		return nil
	}
	attrs := append(peerAttributes(death.Peer), windowAttributes(death.WindowEarliest, death.WindowLatest)...)
	if death.Promised > 0 {
		attrs = append(attrs, seconds(keyPromised, death.Promised))
	}
	return attrs
}

func (p *PoolTelemetry) outageEnd(info pool.Outage) {
	p.outageBegin(info) // if its beginning is still on its way, on another goroutine
	p.mu.Lock()
	o := p.outages[info.ID]
	p.mu.Unlock()
	if o != nil {
		p.finish(o, info)
	}
}

// finish ends o and what is left of it.
func (p *PoolTelemetry) finish(o *outage, info pool.Outage) {
	p.mu.Lock()
	if p.outages[o.id] != o {
		p.mu.Unlock()
		return // somebody else ends it
	}
	delete(p.outages, o.id)
	o.healed = info.Healed
	p.last = o
	r := p.reconnect
	if r != nil && r.outage == o {
		p.reconnect = nil
	}
	p.mu.Unlock()
	if r != nil && r.outage == o {
		p.endReconnect(r, o.unreached())
	}
	if info.Death != nil && o.why != info.Death.Cause.String() {
		o.why = whyOutage(info) // it had begun with a dial that failed
		o.span.SetAttributes(semconv.ErrorTypeKey.String(o.why), keyCause.String(o.why))
		o.span.SetAttributes(deathAttributes(info.Death)...)
	}
	length := info.Ended.Sub(info.Began)
	o.span.SetAttributes(p.serverAttributes()...)
	o.span.SetAttributes(
		keyOutageHealed.Bool(info.Healed),
		keyOutageLost.Int(info.Lost),
		keyOutageWaiters.Int(info.Waiters),
		keyOutageAttempts.Int(info.Attempts),
		seconds(keyOutageDuration, length),
	)
	description := o.why
	if !info.Healed {
		description = "not healed: " + o.why
	}
	o.span.SetStatus(codes.Error, description)
	p.t.instruments.outageDuration.Record(o.ctx, length.Seconds(), p.labels.errors[o.why].record...)
	o.span.End(trace.WithTimestamp(info.Ended))
}

// abandon ends what the pool has left open when it was closed.
func (p *PoolTelemetry) abandon() {
	p.mu.Lock()
	pending, open := p.pending, slices.Collect(maps.Values(p.outages))
	p.pending, p.suspects = nil, nil
	p.mu.Unlock()
	for _, l := range pending {
		p.count(context.Background(), l)
	}
	for _, o := range open {
		p.finish(o, p.soFar(o))
	}
}

// soFar is an account of an outage that the pool has not closed.
func (p *PoolTelemetry) soFar(o *outage) pool.Outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pool.Outage{ID: o.id, Began: o.began, Ended: time.Now(), Attempts: o.attempts, Lost: o.lost, Waiters: o.waiters}
}
