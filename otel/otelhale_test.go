package otelhale

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
)

func packageDoc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheScopeHasNameVersionAndSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		outageThatHeals(t, r, health.KeepAliveTimeout)
		scope := r.one("outage orders").InstrumentationScope
		if scope.Name != "example.com/hale/otel" || scope.Version != version || scope.SchemaURL != semconv.SchemaURL {
			t.Errorf("spans: %+v", scope)
		}
		var all metricdata.ResourceMetrics
		if err := r.reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		if len(all.ScopeMetrics) != 1 || all.ScopeMetrics[0].Scope != scope {
			t.Errorf("metrics: %+v", all.ScopeMetrics[0].Scope)
		}
	})
}

func TestGlobalProvidersAreTheDefault(t *testing.T) {
	t.Parallel()
	telemetry, err := New()
	if err != nil {
		t.Fatal(err)
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o := orders.Observer()
	ctx := o.AcquireStart(t.Context(), pool.AcquireStartInfo{})
	o.AcquireDone(ctx, pool.AcquireDoneInfo{})
	o.Closed()
}

func TestPoolsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := record(t)
	if _, err := r.telemetry.Pool(""); err == nil {
		t.Error("a pool without a name")
	}
	first, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.telemetry.Pool("orders"); err == nil || !strings.Contains(err.Error(), `"orders"`) {
		t.Errorf("two pools of one name: %v", err)
	}
	if _, err := r.telemetry.Pool("users"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	}
	again, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatalf("the name of a closed pool: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.telemetry.Pool("orders"); err == nil {
		t.Error("the first one gave the second one's name back")
	}
	again.Observer().Closed()
	if _, err := r.telemetry.Pool("orders"); err != nil {
		t.Error(err)
	}
}

func TestAttributesAreOnEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, WithAttributes(attribute.String("team", "blue")), WithDBClientMetrics())
		everything(t, r)
		for _, s := range r.spans.GetSpans() {
			if s.InstrumentationScope.Name == scopeName {
				has(t, s.Name, s.Attributes, map[string]any{"team": "blue"})
			}
		}
		for name, m := range r.metrics() {
			for _, p := range points(m) {
				if !strings.Contains(p.attrs, "team=blue") {
					t.Errorf("%s{%s}", name, p.attrs)
				}
			}
		}
	})
}

// logs keeps log records in memory.
type logs struct {
	mu      sync.Mutex // guards records
	records []sdklog.Record
}

func (l *logs) OnEmit(_ context.Context, r *sdklog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r.Clone())
	return nil
}
func (l *logs) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (l *logs) Shutdown(context.Context) error                         { return nil }
func (l *logs) ForceFlush(context.Context) error                       { return nil }

func TestEventsCanGoToTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := new(logs)
		r := record(t, WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(kept))), WithAttributes(attribute.String("team", "blue")))
		death := outageThatHeals(t, r, health.KeepAliveTimeout)
		outage, reconnect, request := r.one("outage orders"), r.one("reconnect orders"), r.one("request")
		for _, s := range r.spans.GetSpans() {
			if len(s.Events) != 0 {
				t.Errorf("%s has events as well", s.Name)
			}
		}
		var got []string
		for _, rec := range kept.records {
			name := map[bool]string{true: "outage", false: "?"}[rec.SpanID() == outage.SpanContext.SpanID()]
			switch rec.SpanID() {
			case request.SpanContext.SpanID():
				name = "request"
			case reconnect.SpanContext.SpanID():
				name = "reconnect"
			}
			got = append(got, name+" "+rec.EventName())
			if rec.Severity() != log.SeverityWarn || rec.InstrumentationScope().Name != scopeName || rec.InstrumentationScope().SchemaURL != semconv.SchemaURL {
				t.Errorf("%+v", rec)
			}
			if rec.EventName() == "hale.detected" && !rec.Timestamp().Equal(death.Detected) {
				t.Errorf("detected at %v", rec.Timestamp())
			}
			attrs := make(map[string]string)
			rec.WalkAttributes(func(a attribute.KeyValue) bool { attrs[string(a.Key)] = a.Value.String(); return true })
			if attrs["team"] != "blue" {
				t.Errorf("%v", attrs)
			}
			// It may be all that is left of the outage.
			if name == "outage" && rec.EventName() == "hale.detected" &&
				(attrs["hale.pool.name"] != "orders" || attrs["hale.outage.id"] != "1" || attrs["server.address"] != "orders.example" || attrs["hale.cause"] != "keepalive_timeout") {
				t.Errorf("detected: %v", attrs)
			}
		}
		slices.Sort(got)
		want := []string{
			"outage hale.detected", "outage hale.lost", "outage hale.lost",
			"reconnect hale.reconnect.attempt", "reconnect hale.reconnect.attempt", "reconnect hale.reconnect.attempt", "reconnect hale.reconnect.attempt",
			"request hale.detected",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestWithoutSamplingMetricsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		r := record(t, WithTracerProvider(never))
		outageThatHeals(t, r, health.KeepAliveTimeout)
		if n := r.series("hale.deaths", "hale.cause=keepalive_timeout hale.pool.name=orders").value; n != 2 {
			t.Errorf("%v deaths", n)
		}
		if n := r.series("hale.outage.duration", "error.type=keepalive_timeout hale.pool.name=orders").count; n != 1 {
			t.Errorf("%v outages", n)
		}
	})
}

func TestOwnObserversAreCalledToo(t *testing.T) {
	t.Parallel()
	var calls []string
	note := func(what string) { calls = append(calls, what) }
	type key struct{}
	orders, err := record(t).telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	own := &pool.Observer{
		AcquireStart: func(ctx context.Context, _ pool.AcquireStartInfo) context.Context {
			note("acquire")
			return context.WithValue(ctx, key{}, "own")
		},
		AcquireDone: func(ctx context.Context, _ pool.AcquireDoneInfo) { note("acquired " + ctx.Value(key{}).(string)) },
		Release:     func() { note("release") },
		Evict:       func(pool.EvictInfo) { note("evict") },
		Closed:      func() { note("closed") },
		Refill:      func(pool.RefillInfo) { note("refill") },
	}
	o := pool.Tee(orders.Observer(), own, &pool.Observer{Closed: func() { note("closed again") }})
	o.AcquireDone(o.AcquireStart(t.Context(), pool.AcquireStartInfo{}), pool.AcquireDoneInfo{})
	o.Release()
	o.Evict(pool.EvictInfo{Reason: pool.ReasonIdle})
	o.Refill(pool.RefillInfo{})
	o.Closed()
	if o.Leak != nil {
		t.Error("a hook that nobody has")
	}
	d := hale.Tee(orders.Dialer(), &hale.Observer{
		DialStart: func(ctx context.Context, _ hale.DialStartInfo) context.Context {
			note("dial")
			return context.WithValue(ctx, key{}, "own")
		},
		DialDone: func(ctx context.Context, _ hale.DialDoneInfo) { note("dialled " + ctx.Value(key{}).(string)) },
	})
	d.DialDone(d.DialStart(t.Context(), hale.DialStartInfo{Address: "a:1"}), hale.DialDoneInfo{Duration: time.Second})
	want := []string{"acquire", "acquired own", "release", "evict", "refill", "closed", "closed again", "dial", "dialled own"}
	if !slices.Equal(calls, want) {
		t.Errorf("got %q, want %q", calls, want)
	}
}

func TestAttributesAreDocumented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		everything(t, r)
		doc := packageDoc(t)
		check := func(where string, attrs []attribute.KeyValue) {
			for _, a := range attrs {
				name := string(a.Key)
				if before, _, ok := strings.Cut(name, ".asked."); ok {
					name = before + ".asked.*"
				}
				if !strings.Contains(doc, name) {
					t.Errorf("%s: %s is not in the package's documentation", where, name)
				}
			}
		}
		for _, s := range r.spans.GetSpans() {
			check(s.Name, s.Attributes)
			for _, e := range s.Events {
				check(e.Name, e.Attributes)
				if s.InstrumentationScope.Name == scopeName && !strings.Contains(doc, e.Name) {
					t.Errorf("%s is not in the package's documentation", e.Name)
				}
			}
			for _, l := range s.Links {
				check("link", l.Attributes)
			}
		}
	})
}
