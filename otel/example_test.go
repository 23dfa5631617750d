package otelhale_test

import (
	"context"
	"fmt"
	"net"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.com/hale"
	otelhale "example.com/hale/otel"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// A pool whose dials, outages and reconnects are traced. The providers are
// OpenTelemetry's global ones.
func ExampleTelemetry_Pool() {
	telemetry, err := otelhale.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	dialer := &hale.Dialer{Observer: orders.Dialer()}
	p, err := pool.New(pool.Config[net.Conn]{
		Name: orders.Name(),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", "orders.example:5432")
		},
		MaxConns: 8,
		Observer: orders.Observer(),
	})
	if err != nil {
		orders.Close()
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := orders.Register(p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(orders.Name())
	// Output: orders
}

// Connections in no pool: their dials become spans, and their deaths are
// counted by cause.
func ExampleTelemetry_Dialer() {
	telemetry, err := otelhale.New(otelhale.WithPeerAddress())
	if err != nil {
		fmt.Println(err)
		return
	}
	dialer := &hale.Dialer{Observer: telemetry.Dialer()}
	_, err = dialer.DialContext(context.Background(), "tcp", "orders.example:not-a-port")
	fmt.Println(err != nil)
	// Output: true
}

// Providers of one's own, an attribute on everything, and no span for an Acquire
// that waits.
func ExampleOption() {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	telemetry, err := otelhale.New(
		otelhale.WithTracerProvider(provider),
		otelhale.WithAttributes(attribute.String("region", "eu")),
		otelhale.WithoutSpans("acquire"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	dialer := &hale.Dialer{Observer: telemetry.Dialer()}
	_, _ = dialer.Dial("tcp", "[::1]:not-a-port")
	fmt.Println(spans.GetSpans()[0].Name)
	// Output: connect [::1]:not-a-port
}

// A head sampler that keeps one trace in a hundred, of requests; and all outages, which
// are traces of their own and would be dropped with the rest.
func ExampleWithOutageTracerProvider() {
	spans := tracetest.NewInMemoryExporter()
	processor := sdktrace.NewSimpleSpanProcessor(spans) // a batcher, as a rule
	requests := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))))
	outages := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor),
		sdktrace.WithSampler(sdktrace.AlwaysSample()))
	telemetry, err := otelhale.New(otelhale.WithTracerProvider(requests), otelhale.WithOutageTracerProvider(outages))
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer orders.Close()
	orders.Observer().OutageBegin(pool.Outage{ID: 1}) // as the pool does
	fmt.Println(spans.GetSpans()[0].Name)             // while the outage lasts
	// Output: detection orders
}

// Observers of one's own are called beside those that record.
func ExamplePoolTelemetry() {
	telemetry, err := otelhale.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer orders.Close() // a pool does that when it is closed
	observer := pool.Tee(orders.Observer(), &pool.Observer{
		OutageEnd: func(o pool.Outage) { fmt.Println(orders.Name(), "healed:", o.Healed) },
	})
	observer.OutageEnd(pool.Outage{ID: 1, Healed: true}) // as the pool does
	// Output: orders healed: true
}

// A cluster: the pool of each endpoint, and its dialer, have an observer of their own.
func ExampleClusterTelemetry() {
	telemetry, err := otelhale.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := telemetry.Cluster("orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := cluster.New(cluster.Config[net.Conn]{
		Name:    orders.Name(),
		Resolve: cluster.Static("10.0.0.1:5432", "10.0.0.2:5432"),
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			dialer := &hale.Dialer{Observer: orders.Dialer(e)}
			return dialer.DialContext(ctx, "tcp", e.Address)
		},
		MaxConns:     16,
		PoolObserver: orders.PoolObserver,
		Observer:     orders.Observer(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(orders.Register(c))
	// Output: <nil>
}
