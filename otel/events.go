package otelhale

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// The names of the events.
const (
	eventDetected  = "hale.detected"
	eventLost      = "hale.lost"
	eventSuspect   = "hale.suspect"
	eventRecovered = "hale.recovered"
	eventAttempt   = "hale.reconnect.attempt"
)

// event records a timed detail of the span in ctx: on the span, or in the log.
func (t *Telemetry) event(ctx context.Context, name string, at time.Time, attrs ...attribute.KeyValue) {
	if t.logger != nil {
		t.log(ctx, name, at, attrs)
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(name, trace.WithTimestamp(at), trace.WithAttributes(attrs...))
	}
}

func (t *Telemetry) log(ctx context.Context, name string, at time.Time, attrs []attribute.KeyValue) {
	severity := log.SeverityWarn
	if name == eventRecovered {
		severity = log.SeverityInfo
	}
	if !t.logger.Enabled(ctx, log.EnabledParameters{Severity: severity, EventName: name}) {
		return
	}
	var r log.Record
	r.SetEventName(name)
	r.SetTimestamp(at)
	r.SetSeverity(severity)
	r.AddAttributes(t.with(attrs...)...)
	t.logger.Emit(ctx, r)
}
