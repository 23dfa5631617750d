package otelhale

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale/pool"
)

// acquireKey finds the span of an Acquire that waits.
type acquireKey struct{ p *PoolTelemetry }

func (p *PoolTelemetry) acquireStart(ctx context.Context, info pool.AcquireStartInfo) context.Context {
	p.mu.Lock()
	if o := p.current(); o != nil {
		o.waiters = max(o.waiters, info.Waiting)
	}
	p.mu.Unlock()
	ctx, span := p.t.tracers[spanAcquire].Start(ctx, "acquire "+p.name,
		trace.WithAttributes(p.labels.spans...), trace.WithAttributes(keyAcquireWaiting.Int(info.Waiting)))
	return context.WithValue(ctx, acquireKey{p}, span)
}

// acquired is told of every Acquire, if the metrics are to have them all.
func (p *PoolTelemetry) acquired(ctx context.Context, info pool.AcquiredInfo) {
	p.t.instruments.acquireDuration.Record(ctx, info.Wait.Seconds(), p.labels.result(info.Err).record...)
	if p.t.db {
		p.dbAcquired(ctx, info)
	}
}

func (p *PoolTelemetry) acquireDone(ctx context.Context, info pool.AcquireDoneInfo) {
	if !p.t.everyAcquire {
		p.acquired(ctx, pool.AcquiredInfo{Wait: info.Wait, Err: info.Err})
	}
	span, ok := ctx.Value(acquireKey{p}).(trace.Span)
	if !ok {
		return
	}
	defer span.End()
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(seconds(keyAcquireWait, info.Wait))
	if o := p.find(info.Outage); o != nil {
		span.SetAttributes(keyOutageID.Int64(int64(o.id)))
		link(span, o.span.SpanContext(), "outage")
	}
	fail(span, info.Err)
}

func (p *PoolTelemetry) dbAcquired(ctx context.Context, info pool.AcquiredInfo) {
	db := p.t.instruments.db
	if info.Err == nil {
		db.waitTime.Record(ctx, info.Wait.Seconds(), p.db.plain.record...)
	}
	if errors.Is(info.Err, context.DeadlineExceeded) {
		db.timeouts.Add(ctx, 1, p.db.plain.add...)
	}
}

// find returns the outage with an ID, if it runs or was the last to do so.
func (p *PoolTelemetry) find(id uint64) *outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && p.last.id == id {
		return p.last
	}
	return p.outages[id]
}

// link adds a link to where there is something to link to: a span would keep
// one with attributes even if it leads nowhere.
func link(from trace.Span, to trace.SpanContext, what string) {
	if to.IsValid() {
		from.AddLink(trace.Link{SpanContext: to, Attributes: []attribute.KeyValue{keyLink.String(what)}})
	}
}
