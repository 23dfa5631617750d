package main

import (
	"context"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// sender is an exporter that knows what has arrived.
type sender struct {
	sdktrace.SpanExporter

	mu     sync.Mutex // guards what follows
	sent   int        // spans that were confirmed
	outage sdktrace.ReadOnlySpan
	err    error // of the first spans that were lost
}

// ExportSpans is called with spans that have ended.
func (s *sender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return err
	}
	s.sent += len(spans)
	for _, span := range spans {
		if s.outage == nil && strings.HasPrefix(span.Name(), "outage ") {
			s.outage = span
		}
	}
	return nil
}

// get returns an attribute as text; none is empty.
func get(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, a := range span.Attributes() {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}
