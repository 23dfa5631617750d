package otelhale

import (
	"context"
	"net"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
)

// costs is how an Acquire may be observed.
var costs = []struct {
	name string
	opts []Option // nil for no observer
}{
	{"none", nil},
	{"no-provider", []Option{WithTracerProvider(noop.NewTracerProvider()), WithMeterProvider(metricnoop.NewMeterProvider())}},
	{"never-sampled", []Option{
		WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))),
		WithMeterProvider(metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))),
	}},
	{"sampled", []Option{
		WithTracerProvider(sdktrace.NewTracerProvider()),
		WithMeterProvider(metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))),
	}},
	{"every-acquire", []Option{
		WithEveryAcquire(), WithDBClientMetrics(),
		WithTracerProvider(sdktrace.NewTracerProvider()),
		WithMeterProvider(metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))),
	}},
}

// hit returns what acquires and releases an idle connection.
func hit(t testing.TB, opts []Option) func() {
	telemetry, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := newPool(t, telemetry, new(endpoint), func(c *pool.Config[*fakeConn]) {
		if opts == nil {
			c.Observer = nil
		}
	})
	acquire(t, t.Context(), p).Release()
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	return func() {
		c, err := p.Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		c.Release()
	}
}

func TestAnAcquireThatHitsAllocatesNothingMore(t *testing.T) {
	without := testing.AllocsPerRun(1000, hit(t, nil))
	for _, c := range costs[1:] {
		if with := testing.AllocsPerRun(1000, hit(t, c.opts)); with > without {
			t.Errorf("%s: %v allocations, %v without an observer", c.name, with, without)
		}
	}
}

// BenchmarkAcquireRelease is an Acquire that hits and its Release, with and
// without observers.
//
//	go test -run '^$' -bench AcquireRelease -count 10 ./otel | benchstat -col /telemetry -
func BenchmarkAcquireRelease(b *testing.B) {
	for _, c := range costs {
		b.Run("telemetry="+c.name, func(b *testing.B) {
			use := hit(b, c.opts)
			b.ReportAllocs()
			for b.Loop() {
				use()
			}
		})
	}
}

// samples is how what a look has shown may be recorded.
var samples = map[string][]Option{"by=pool": nil, "by=peer": {WithPeerAddress()}}

// sampled returns what records a sample of a connection that is in use.
func sampled(t testing.TB, opts []Option) func() {
	telemetry, err := New(append(opts, costs[2].opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	l := testnet.Listen(t)
	c, err := hale.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	o := telemetry.Dialer()
	info := hale.SampledInfo{Conn: c.(*hale.Conn), Info: health.Info{RTT: 1, Unacked: 1}, Sent: 1, Retransmitted: 1, Acked: 1}
	return func() { o.Sampled(info) }
}

// BenchmarkSampled is the recording of what one look of the watch has shown.
func BenchmarkSampled(b *testing.B) {
	for name, opts := range samples {
		b.Run(name, func(b *testing.B) {
			record := sampled(b, opts)
			b.ReportAllocs()
			for b.Loop() {
				record()
			}
		})
	}
}

func TestASampleAllocatesNothing(t *testing.T) {
	for name, opts := range samples {
		record := sampled(t, opts)
		record()
		if n := testing.AllocsPerRun(1000, record); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestThePeersThatAreRememberedAreBounded(t *testing.T) {
	var p peers
	l := newLabels(nil)
	for port := range 3 * peersKept {
		p.of(l, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1 + port})
	}
	if n := len(p.sets); n == 0 || n > peersKept {
		t.Errorf("%d", n)
	}
}

// BenchmarkRecording is the recording of one wait and of one release that
// evicts, without spans.
func BenchmarkRecording(b *testing.B) {
	telemetry, err := New(costs[2].opts...)
	if err != nil {
		b.Fatal(err)
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		b.Fatal(err)
	}
	o, ctx := orders.Observer(), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		o.AcquireDone(ctx, pool.AcquireDoneInfo{Wait: 1})
		o.Evict(pool.EvictInfo{Reason: pool.ReasonIdle, Age: 1})
		o.Heartbeat(pool.HeartbeatInfo{})
	}
}
