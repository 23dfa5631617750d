package otelhale

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// recorder keeps everything that is recorded in memory.
type recorder struct {
	t         testing.TB
	spans     *tracetest.InMemoryExporter
	provider  *sdktrace.TracerProvider
	reader    *metric.ManualReader
	telemetry *Telemetry
}

func record(t testing.TB, opts ...Option) *recorder {
	t.Helper()
	r := &recorder{t: t, spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	r.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	var err error
	r.telemetry, err = New(append([]Option{
		WithTracerProvider(r.provider),
		WithMeterProvider(metric.NewMeterProvider(metric.WithReader(r.reader))),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// user is the tracer of the program that uses hale.
func (r *recorder) user() trace.Tracer { return r.provider.Tracer("user") }

// all returns the spans with a name.
func (r *recorder) all(name string) []tracetest.SpanStub {
	return slices.DeleteFunc(r.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != name })
}

// one returns the only span with a name.
func (r *recorder) one(name string) tracetest.SpanStub {
	r.t.Helper()
	found := r.all(name)
	if len(found) != 1 {
		r.t.Fatalf("%d spans named %q, of\n%s", len(found), name, r.waterfall())
	}
	return found[0]
}

// waterfall is all spans as text.
func (r *recorder) waterfall() string {
	var b strings.Builder
	spans := r.spans.GetSpans()
	slices.SortStableFunc(spans, func(x, y tracetest.SpanStub) int { return x.StartTime.Compare(y.StartTime) })
	var show func(depth int, parent trace.SpanID)
	show = func(depth int, parent trace.SpanID) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent {
				continue
			}
			in := strings.Repeat("  ", depth)
			fmt.Fprintf(&b, "%s%s  %s +%v  %v %s\n", in, s.Name, clock(s.StartTime), s.EndTime.Sub(s.StartTime), s.Status.Code, s.Status.Description)
			for _, a := range s.Attributes {
				fmt.Fprintf(&b, "%s    %s=%s\n", in, a.Key, a.Value.String())
			}
			for _, e := range s.Events {
				fmt.Fprintf(&b, "%s    @%s %s %s\n", in, clock(e.Time), e.Name, text(e.Attributes))
			}
			for _, l := range s.Links {
				fmt.Fprintf(&b, "%s    -> %s %s\n", in, l.SpanContext.SpanID(), text(l.Attributes))
			}
			show(depth+1, s.SpanContext.SpanID())
		}
	}
	show(0, trace.SpanID{})
	return b.String()
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func text(attrs []attribute.KeyValue) string {
	var words []string
	for _, a := range attrs {
		words = append(words, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(words, " ")
}

// values maps attributes by name.
func values(attrs []attribute.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, a := range attrs {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}

// has checks attributes; a nil value wants the attribute absent.
func has(t testing.TB, what string, attrs []attribute.KeyValue, want map[string]any) {
	t.Helper()
	got := values(attrs)
	for k, w := range want {
		g, ok := got[k]
		if w == nil && ok || w != nil && fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("%s: %s is %v, want %v", what, k, g, w)
		}
	}
}

// events returns a span's events with a name.
func events(s tracetest.SpanStub, name string) []sdktrace.Event {
	return slices.DeleteFunc(slices.Clone(s.Events), func(e sdktrace.Event) bool { return e.Name != name })
}

// metrics collects, by name.
func (r *recorder) metrics() map[string]metricdata.Metrics {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(r.t.Context(), &all); err != nil {
		r.t.Fatal(err)
	}
	m := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			m[one.Name] = one
		}
	}
	return m
}

// point is one series, whatever its kind.
type point struct {
	attrs  string
	value  float64 // of a histogram the sum
	count  uint64  // of a histogram
	bounds []float64
	traced [][]byte // the trace IDs of exemplars
}

// points lists a metric's series, sorted by their attributes.
func points(m metricdata.Metrics) (ps []point) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			one := point{attrs: text(p.Attributes.ToSlice()), value: float64(p.Value)}
			for _, e := range p.Exemplars {
				one.traced = append(one.traced, e.TraceID)
			}
			ps = append(ps, one)
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			ps = append(ps, point{attrs: text(p.Attributes.ToSlice()), value: float64(p.Sum), count: p.Count, bounds: p.Bounds})
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			one := point{attrs: text(p.Attributes.ToSlice()), value: p.Sum, count: p.Count, bounds: p.Bounds}
			for _, e := range p.Exemplars {
				one.traced = append(one.traced, e.TraceID)
			}
			ps = append(ps, one)
		}
	}
	slices.SortFunc(ps, func(x, y point) int { return strings.Compare(x.attrs, y.attrs) })
	return ps
}

// series returns the one series of a metric with these attributes.
func (r *recorder) series(name, attrs string) point {
	r.t.Helper()
	ps := points(r.metrics()[name])
	for _, p := range ps {
		if p.attrs == attrs {
			return p
		}
	}
	r.t.Errorf("%s: no series {%s} in %+v", name, attrs, ps)
	return point{}
}
