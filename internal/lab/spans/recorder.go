// Package spans prints what OpenTelemetry has recorded of an outage: traces as
// text for people and as JSON, and metrics.
package spans

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type span = sdktrace.ReadOnlySpan

// A Recorder is an exporter that leaves the spans in memory. The zero Recorder
// is empty.
type Recorder struct {
	mu    sync.Mutex // guards spans
	spans []span
}

var _ sdktrace.SpanExporter = (*Recorder)(nil)

// ExportSpans is called with spans that have ended.
func (r *Recorder) ExportSpans(_ context.Context, spans []span) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spans...)
	return nil
}

// Shutdown has nothing to do.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// Spans are those recorded so far, in the order in which they ended.
func (r *Recorder) Spans() []sdktrace.ReadOnlySpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

func duration(s span) time.Duration { return s.EndTime().Sub(s.StartTime()) }

func isRoot(s span) bool { return !s.Parent().IsValid() }

func isRequest(s span) bool { return s.Name() == "request" }

func isAcquire(s span) bool { return strings.HasPrefix(s.Name(), "acquire ") }

func isOutage(s span) bool { return strings.HasPrefix(s.Name(), "outage ") }

func hasEvent(s span, name string) bool {
	return slices.ContainsFunc(s.Events(), func(e sdktrace.Event) bool { return e.Name == name })
}

// linksTo reports whether s has a link into a trace.
func linksTo(s span, to trace.TraceID) bool {
	return slices.ContainsFunc(s.Links(), func(l sdktrace.Link) bool { return l.SpanContext.TraceID() == to })
}

// get returns an attribute as text; none is empty.
func get(attrs []attribute.KeyValue, key attribute.Key) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}
