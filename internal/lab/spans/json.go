package spans

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A Document is the JSON form of a span. Durations are in seconds.
type Document struct {
	Trace       string         `json:"trace_id"`
	Span        string         `json:"span_id"`
	Parent      string         `json:"parent_span_id,omitempty"` // none for a root
	Name        string         `json:"name"`
	Kind        string         `json:"kind"`
	Start       time.Time      `json:"start"`
	Duration    float64        `json:"duration_s"`
	Status      string         `json:"status"`
	Description string         `json:"description,omitempty"`
	Attributes  map[string]any `json:"attributes"`
	Events      []Event        `json:"events,omitempty"`
	Links       []Link         `json:"links,omitempty"`
}

// An Event is in a Document.
type Event struct {
	Name       string         `json:"name"`
	Time       time.Time      `json:"time"`
	Offset     float64        `json:"offset_s"` // from the start of its span
	Attributes map[string]any `json:"attributes"`
}

// A Link is in a Document.
type Link struct {
	Trace      string         `json:"trace_id"`
	Span       string         `json:"span_id"`
	Attributes map[string]any `json:"attributes"`
}

// Documents are spans for JSON.
func Documents(spans []sdktrace.ReadOnlySpan) []Document {
	list := make([]Document, 0, len(spans))
	for _, s := range spans {
		list = append(list, newDocument(s))
	}
	return list
}

func newDocument(s span) Document {
	id := s.SpanContext()
	j := Document{
		Trace: id.TraceID().String(), Span: id.SpanID().String(), Name: s.Name(), Kind: s.SpanKind().String(),
		Start: s.StartTime(), Duration: duration(s).Seconds(),
		Status: s.Status().Code.String(), Description: s.Status().Description, Attributes: values(s.Attributes()),
	}
	if !isRoot(s) {
		j.Parent = s.Parent().SpanID().String()
	}
	for _, e := range s.Events() {
		j.Events = append(j.Events, Event{e.Name, e.Time, e.Time.Sub(s.StartTime()).Seconds(), values(e.Attributes)})
	}
	for _, l := range s.Links() {
		j.Links = append(j.Links, Link{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String(), values(l.Attributes)})
	}
	return j
}

func values(attrs []attribute.KeyValue) map[string]any {
	m := make(map[string]any, len(attrs))
	for _, a := range attrs {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}
