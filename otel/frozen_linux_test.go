package otelhale

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// The whole of it, with a real kernel that gives up a real peer.
func TestAFrozenPeerIsAnOutage(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	l := testnet.Listen(t)
	accepted := make(chan net.Conn, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			accepted <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	ended := make(chan struct{})
	dialer := &hale.Dialer{KeepAlive: sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 2}, Observer: orders.Dialer()}
	p, err := pool.New(pool.Config[net.Conn]{
		Name:     "orders",
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", l.Addr().String()) },
		MaxConns: 2,
		Backoff:  func() backoff.BackOff { return backoff.NewConstantBackOff(50 * time.Millisecond) },
		Observer: pool.Tee(orders.Observer(), &pool.Observer{OutageEnd: func(pool.Outage) { close(ended) }}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, request := r.user().Start(t.Context(), "request")
	held, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := hale.From(held.Value())
	earliest, latest := conn.Report().Window()
	frozen := time.Now()
	testnet.Freeze(t, <-accepted)
	if _, err := held.Value().Read(make([]byte, 1)); err == nil {
		t.Fatal("read something")
	}
	held.Close()
	request.End()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the outage did not end")
	}
	t.Logf("\n%s", r.waterfall())

	outage := r.one("outage orders")
	if late := outage.StartTime.Sub(frozen); late > 100*time.Millisecond || late < -time.Second {
		t.Errorf("the outage begins %v after the freeze", late)
	}
	has(t, "outage", outage.Attributes, map[string]any{
		"error.type": "keepalive_timeout", "hale.cause": "keepalive_timeout", "hale.outage.healed": true, "hale.outage.lost": 1,
		"hale.window.earliest": earliest.Seconds(), "hale.window.latest": latest.Seconds(),
		"network.peer.address": "127.0.0.1", "network.peer.port": l.Addr().(*net.TCPAddr).Port, "server.address": "127.0.0.1",
	})
	detected, suspect := events(outage, "hale.detected"), events(outage, "hale.suspect")
	if len(detected) != 1 || len(suspect) == 0 || !suspect[0].Time.Before(detected[0].Time) {
		t.Errorf("%+v", outage.Events)
	}
	if took := detected[0].Time.Sub(frozen); took > latest*5/4 {
		t.Errorf("detected after %v, predicted %v to %v", took, earliest, latest)
	}
	if len(outage.Links) != 1 || !outage.Links[0].SpanContext.Equal(request.SpanContext()) {
		t.Errorf("%+v", outage.Links)
	}
	if told := events(r.one("request"), "hale.detected"); len(told) != 1 {
		t.Errorf("%+v", r.one("request").Events)
	} else {
		has(t, "event", told[0].Attributes, map[string]any{"network.peer.address": "127.0.0.1"})
	}
	if n := len(r.all("reconnect orders")); n != 1 {
		t.Errorf("%d reconnects", n)
	}
	if d := r.one("detection orders"); !d.SpanContext.IsSampled() || !outage.Parent.Equal(d.SpanContext) {
		t.Errorf("detection %+v", d)
	}
	// What the watch saw: probes that nothing answered, and no byte of the program's.
	if probes := r.series("hale.connection.unanswered_probes", "hale.pool.name=orders"); probes.count < 2 || probes.value < 1 {
		t.Errorf("unanswered probes: %+v", probes)
	}
	if flight := r.series("hale.connection.in_flight", "hale.pool.name=orders"); flight.count < 2 || flight.value != 0 {
		t.Errorf("in flight: %+v", flight)
	}
	share := r.series("hale.detection.share", "hale.cause=keepalive_timeout hale.pool.name=orders")
	if share.count != 1 || share.value < 0.5 || share.value > 1.3 {
		t.Errorf("share of what was promised: %+v", share)
	}
	if n := r.series("hale.suspects", "hale.pool.name=orders").value; n < 1 {
		t.Errorf("%v suspects", n)
	}
}
