package otelhale_test

import (
	"context"
	"fmt"
	"net"

	"example.com/hale"
	otelhale "example.com/hale/otel"
	"example.com/hale/pool"
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
