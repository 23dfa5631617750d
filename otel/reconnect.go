package otelhale

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale/pool"
)

// errAbandoned is a reconnect that never succeeded.
var errAbandoned = errors.New("the pool was closed before")

// reconnect is a series of attempts during an outage, up to the first that
// succeeds. A pool makes one attempt at a time.
type reconnect struct {
	outage   *outage
	ctx      context.Context // has span
	span     trace.Span
	start    time.Time
	attempts int
	pause    time.Duration // before the attempt that is being made
	backoff  time.Duration // all pauses between attempts
}

func (p *PoolTelemetry) reconnectStart(ctx context.Context, info pool.ReconnectStartInfo) context.Context {
	p.mu.Lock()
	o, r := p.outages[info.Outage], p.reconnect
	p.mu.Unlock()
	if o == nil {
		return ctx // a dial that decides whether there is an outage
	}
	if r == nil {
		r = &reconnect{outage: o, start: time.Now()}
		r.ctx, r.span = p.t.tracers[spanReconnect].Start(o.ctx, "reconnect "+p.name, trace.WithAttributes(p.labels.spans...))
	} else {
		r.backoff += info.Pause
	}
	p.mu.Lock()
	r.attempts++
	r.pause = info.Pause
	o.attempts++
	over := p.outages[o.id] != o // meanwhile
	if !over {
		p.reconnect = r
	}
	p.mu.Unlock()
	if over {
		p.endReconnect(r, o.unreached())
		return ctx
	}
	parent := o.parent(r.span)
	if !parent.SpanContext().IsValid() {
		return ctx // none of them is wanted: the dial stays with its caller
	}
	return context.WithValue(trace.ContextWithSpan(ctx, parent), attemptKey{}, true)
}

// attemptKey marks the dials of an outage.
type attemptKey struct{}

func (p *PoolTelemetry) reconnectDone(ctx context.Context, info pool.ReconnectDoneInfo) {
	p.t.instruments.reconnectAttempts.Add(ctx, 1, p.labels.result(info.Err).add...)
	p.mu.Lock()
	r := p.reconnect
	if info.Err == nil {
		p.reconnect = nil
	}
	p.mu.Unlock()
	if r == nil {
		return
	}
	p.t.event(r.ctx, eventAttempt, time.Now(), r.attempt(info)...)
	if info.Err == nil {
		p.endReconnect(r, nil)
	}
}

// attempt says how an attempt went.
func (r *reconnect) attempt(info pool.ReconnectDoneInfo) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		keyReconnectAttempt.Int(r.attempts),
		seconds(keyReconnectPause, r.pause),
		seconds(keyReconnectDuration, info.Duration),
	}
	if info.Err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorType(info.Err)))
	}
	return attrs
}

func (p *PoolTelemetry) endReconnect(r *reconnect, err error) {
	r.span.SetAttributes(keyReconnectAttempts.Int(r.attempts), seconds(keyReconnectBackoff, r.backoff))
	labels := p.labels.plain
	if err != nil {
		labels = p.labels.errors[errPoolClosed]
		r.span.SetAttributes(semconv.ErrorTypeKey.String(errPoolClosed))
		r.span.SetStatus(codes.Error, err.Error())
	}
	p.t.instruments.reconnectDuration.Record(r.ctx, time.Since(r.start).Seconds(), labels.record...)
	r.span.End()
}
