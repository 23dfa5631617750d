package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The columns of a terminal: the name, two times, and the rest for the bar.
const (
	columns    = 80
	nameColumn = 30
	barColumn  = columns - nameColumn - 2*9 - 2
)

// waterfall draws traces as text.
type waterfall struct {
	forest
	strings.Builder
	start time.Time     // of the trace that is drawn
	scale time.Duration // of a bar's whole column
}

func (w *waterfall) trace(title string, root span) {
	w.start, w.scale = root.StartTime(), max(duration(root), 1)
	fmt.Fprintf(w, "\n%s\n(trace %s, at %s)\n\n", title, root.SpanContext().TraceID(), w.start.Format("15:04:05.000"))
	fmt.Fprintf(w, "%-*s %8s %8s\n", nameColumn, "", "from", "for")
	w.span(root, 0)
}

// span draws s with what is in it, events and children in the order of time.
func (w *waterfall) span(s span, depth int) {
	indent := strings.Repeat("  ", depth)
	w.line(indent+s.Name(), s.StartTime(), clock(duration(s)), w.bar(s.StartTime(), duration(s)))
	indent += "  "
	w.details(indent, statusWords(s))
	w.details(indent, words(s.Attributes()))
	w.links(indent, s.Links())
	events := s.Events()
	for _, c := range w.children(s) {
		before := slices.IndexFunc(events, func(e sdktrace.Event) bool { return e.Time.After(c.StartTime()) })
		if before < 0 {
			before = len(events)
		}
		w.events(indent, events[:before])
		events = events[before:]
		w.span(c, depth+1)
	}
	w.events(indent, events)
}

func (w *waterfall) line(name string, at time.Time, took, bar string) {
	line := fmt.Sprintf("%-*s %8s %8s  %s", nameColumn, name, clock(at.Sub(w.start)), took, bar)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

func clock(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

// bar is a line from a time on; it has at least one character.
func (w *waterfall) bar(at time.Time, took time.Duration) string {
	from := w.column(at)
	return strings.Repeat(" ", from) + strings.Repeat("=", max(1, w.column(at.Add(took))+1-from))
}

// column is where a time is in the bar's column.
func (w *waterfall) column(at time.Time) int {
	c := int(float64(at.Sub(w.start)) / float64(w.scale) * (barColumn - 1))
	return min(max(c, 0), barColumn-1)
}

// events are lines with a mark; of a row of the same only the first is shown.
func (w *waterfall) events(indent string, events []sdktrace.Event) {
	for i := 0; i < len(events); {
		e, same := events[i], i+1
		w.line(indent+"* "+e.Name, e.Time, "", strings.Repeat(" ", w.column(e.Time))+"*")
		w.details(indent+"    ", words(e.Attributes))
		for same < len(events) && events[same].Name == e.Name {
			same++
		}
		if n := same - i - 1; n > 0 {
			fmt.Fprintf(w, "%s    ... and %d more like it, until %s\n", indent, n, clock(events[same-1].Time.Sub(w.start)))
		}
		i = same
	}
}

// links name what they lead to.
func (w *waterfall) links(indent string, links []sdktrace.Link) {
	for i, l := range links {
		if i == 1 && len(links) > 2 {
			fmt.Fprintf(w, "%s    ... and %d more like it\n", indent, len(links)-1)
			return
		}
		name := "a span"
		if to := w.find(l.SpanContext); to != nil {
			name = to.Name()
		}
		fmt.Fprintf(w, "%s-> %s: %s, in trace %s\n", indent, get(l.Attributes, "hale.link"), name, l.SpanContext.TraceID())
	}
}

func statusWords(s span) []string {
	if s.Status().Code == codes.Unset {
		return nil
	}
	return strings.Fields(fmt.Sprintf("%v: %s", s.Status().Code, s.Status().Description))
}

// plain are the attributes that are the same everywhere here, and said by names.
var plain = []string{"hale.pool.name", "hale.keepalive.asked.", "hale.path", "network.t", "server.", "network.peer."}

// words are attributes as text, but for those that tell nothing new.
func words(attrs []attribute.KeyValue) (list []string) {
attributes:
	for _, a := range attrs {
		for _, p := range plain {
			if strings.HasPrefix(string(a.Key), p) {
				continue attributes
			}
		}
		value := a.Value.String()
		if a.Value.Type() == attribute.FLOAT64 {
			value = fmt.Sprintf("%.4gs", a.Value.AsFloat64()) // they all are times
		}
		list = append(list, string(a.Key)+"="+value)
	}
	return list
}

// details prints words in lines that fit.
func (w *waterfall) details(indent string, list []string) {
	line := ""
	for _, word := range list {
		if line != "" && len(indent)+len(line)+1+len(word) > columns {
			fmt.Fprintln(w, indent+line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	if line != "" {
		fmt.Fprintln(w, indent+line)
	}
}
