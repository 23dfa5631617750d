package spans

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Columns is how wide a line is at the most.
const Columns = 80

// In a line are the name, two times, and the rest for the bar.
const (
	nameColumn = 30
	barColumn  = Columns - nameColumn - 2*9 - 2
)

// waterfall draws traces as text.
type waterfall struct {
	forest
	strings.Builder
	start time.Time     // of the trace that is drawn
	scale time.Duration // of a bar's whole column
}

func (w *waterfall) trace(title string, root span) {
	w.start, w.scale = root.StartTime(), max(w.end(root).Sub(root.StartTime()), 1)
	fmt.Fprintf(w, "\n%s\n(trace %s, at %s)\n\n", title, root.SpanContext().TraceID(), w.start.Format("15:04:05.000"))
	fmt.Fprintf(w, "%-*s %8s %8s\n", nameColumn, "", "from", "for")
	lines := w.moments(root, "")
	slices.SortStableFunc(lines, func(a, b moment) int { return a.at.Compare(b.at) })
	for len(lines) > 0 {
		lines = lines[w.next(lines):]
	}
}

// end is that of s and of all that is in it, which may go on for longer.
func (w *waterfall) end(s span) time.Time {
	end := s.EndTime()
	for _, c := range w.children(s) {
		if of := w.end(c); of.After(end) {
			end = of
		}
	}
	return end
}

// moment is the beginning of a span, or an event.
type moment struct {
	at     time.Time
	indent string // two spaces for each span that it is in
	span   span   // or nil
	event  sdktrace.Event
}

// moments are those of s and of all that is in it.
func (w *waterfall) moments(s span, indent string) []moment {
	list := []moment{{at: s.StartTime(), indent: indent, span: s}}
	indent += "  "
	for _, e := range s.Events() {
		list = append(list, moment{at: e.Time, indent: indent, event: e})
	}
	for _, c := range w.children(s) {
		list = append(list, w.moments(c, indent)...)
	}
	return list
}

// next draws the first of the moments, and returns how many that were: of a row
// of the same events only the first is shown.
func (w *waterfall) next(list []moment) int {
	m, same := list[0], 1
	if m.span != nil {
		w.span(m)
		return same
	}
	w.line(m.indent+"* "+m.event.Name, m.at, "", strings.Repeat(" ", w.column(m.at))+"*")
	w.details(m.indent+"    ", words(m.event.Attributes))
	for same < len(list) && list[same].span == nil && list[same].event.Name == m.event.Name {
		same++
	}
	if n := same - 1; n > 0 {
		fmt.Fprintf(w, "%s    ... and %d more like it, until %s\n", m.indent, n, clock(list[n].at.Sub(w.start)))
	}
	return same
}

// span draws the beginning of one, with all that is known of it.
func (w *waterfall) span(m moment) {
	w.line(m.indent+m.span.Name(), m.at, clock(duration(m.span)), w.bar(m.at, duration(m.span)))
	indent := m.indent + "  "
	w.details(indent, statusWords(m.span))
	w.details(indent, words(m.span.Attributes()))
	w.links(indent, m.span.Links())
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
		if line != "" && len(indent)+len(line)+1+len(word) > Columns {
			fmt.Fprintln(w, indent+line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	if line != "" {
		fmt.Fprintln(w, indent+line)
	}
}
