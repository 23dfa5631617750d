package main

import (
	"encoding/json"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// spanJSON is the JSON form of a span. Durations are in seconds.
type spanJSON struct {
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
	Events      []eventJSON    `json:"events,omitempty"`
	Links       []linkJSON     `json:"links,omitempty"`
}

type eventJSON struct {
	Name       string         `json:"name"`
	Time       time.Time      `json:"time"`
	Offset     float64        `json:"offset_s"` // from the start of its span
	Attributes map[string]any `json:"attributes"`
}

type linkJSON struct {
	Trace      string         `json:"trace_id"`
	Span       string         `json:"span_id"`
	Attributes map[string]any `json:"attributes"`
}

// printJSON prints spans in the order in which they ended.
func printJSON(out io.Writer, spans []span) error {
	enc := json.NewEncoder(out)
	for _, s := range spans {
		if err := enc.Encode(newSpanJSON(s)); err != nil {
			return err
		}
	}
	return nil
}

func newSpanJSON(s span) spanJSON {
	id := s.SpanContext()
	j := spanJSON{
		Trace: id.TraceID().String(), Span: id.SpanID().String(), Name: s.Name(), Kind: s.SpanKind().String(),
		Start: s.StartTime(), Duration: duration(s).Seconds(),
		Status: s.Status().Code.String(), Description: s.Status().Description, Attributes: values(s.Attributes()),
	}
	if !isRoot(s) {
		j.Parent = s.Parent().SpanID().String()
	}
	for _, e := range s.Events() {
		j.Events = append(j.Events, eventJSON{e.Name, e.Time, e.Time.Sub(s.StartTime()).Seconds(), values(e.Attributes)})
	}
	for _, l := range s.Links() {
		j.Links = append(j.Links, linkJSON{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String(), values(l.Attributes)})
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
