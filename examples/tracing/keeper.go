package main

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

// keeper is an exporter that keeps the spans.
type keeper struct {
	mu    sync.Mutex // guards spans
	spans []span
}

var _ sdktrace.SpanExporter = (*keeper)(nil)

// ExportSpans is called with spans that have ended.
func (k *keeper) ExportSpans(_ context.Context, spans []span) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return nil
}

// Shutdown has nothing to do.
func (k *keeper) Shutdown(context.Context) error { return nil }

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
