package spans

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// forest is all spans, by their starts.
type forest []span

func (f forest) filter(keep func(span) bool) forest {
	return slices.DeleteFunc(slices.Clone(f), func(s span) bool { return !keep(s) })
}

func (f forest) children(of span) forest {
	return f.filter(func(s span) bool { return s.Parent().IsValid() && s.Parent().SpanID() == of.SpanContext().SpanID() })
}

func (f forest) find(id trace.SpanContext) span {
	for _, s := range f {
		if s.SpanContext().SpanID() == id.SpanID() {
			return s
		}
	}
	return nil
}

// longest is the span that most of the outage fell upon.
func (f forest) longest() span {
	return slices.MaxFunc(f, func(a, b span) int { return int(duration(a) - duration(b)) })
}

var errNoOutage = errors.New("the recording has no outage, or nothing that it hit")

// PrintTraces prints the outage, and what it did to requests, in lines of at
// most [Columns].
func PrintTraces(out io.Writer, spans []sdktrace.ReadOnlySpan) error {
	all := forest(slices.SortedStableFunc(slices.Values(spans), func(a, b span) int { return a.StartTime().Compare(b.StartTime()) }))
	outages := all.filter(isOutage)
	if len(outages) == 0 {
		return errNoOutage
	}
	outage := outages[0]
	id := outage.SpanContext().TraceID()
	hit := all.filter(func(s span) bool { return isRequest(s) && hasEvent(s, "hale.detected") })
	waited := all.filter(func(s span) bool { return isAcquire(s) && linksTo(s, id) })
	if len(hit) == 0 || len(waited) == 0 {
		return errNoOutage
	}
	w := waterfall{forest: all}
	w.trace("The outage, from the silence until the pool was whole again", all.root(outage))
	w.more(len(outages), "outages")
	w.trace("A request that was under way, and failed", hit.longest())
	w.more(len(hit), "requests like it")
	w.trace("A request that had to wait for a connection", all.root(waited.longest()))
	w.more(len(waited), "requests like it")
	w.rest()
	_, err := io.WriteString(out, w.String())
	return err
}

// root is the span at the top of s's trace.
func (f forest) root(s span) span {
	for s.Parent().IsValid() {
		up := f.find(s.Parent())
		if up == nil {
			return s
		}
		s = up
	}
	return s
}

// more says that others are left out.
func (w *waterfall) more(n int, what string) {
	if n > 1 {
		fmt.Fprintf(w, "  ... and %d more %s\n", n-1, what)
	}
}

// rest counts the traces that nothing happened to.
func (w *waterfall) rest() {
	quiet := w.filter(func(s span) bool { return isRoot(s) && isRequest(s) && len(s.Events()) == 0 && len(w.children(s)) == 0 })
	dials := w.filter(func(s span) bool { return isRoot(s) && strings.HasPrefix(s.Name(), "connect ") })
	fmt.Fprintf(w, "\nNot shown: %d requests that were served at once, and %d dials that the pool\nmade unasked, to keep its connections.\n", len(quiet), len(dials))
}
