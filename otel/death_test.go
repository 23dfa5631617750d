package otelhale

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
)

// One death, from the kernel to a span: whoever tells of it tells of the same
// *health.DeadError. CONTRIBUTING.md lists the functions that it goes through.
func TestADeathIsTheSameFromTheKernelToTheSpan(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	l := testnet.Listen(t)
	died, evicted, begun := make(chan hale.DeadInfo, 1), make(chan pool.EvictInfo, 1), make(chan pool.Outage, 1)
	dialer := &hale.Dialer{Observer: hale.Tee(orders.Dialer(), &hale.Observer{
		Dead: func(info hale.DeadInfo) { died <- info },
	})}
	p, err := pool.New(pool.Config[net.Conn]{
		Name:     orders.Name(),
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", l.Addr().String()) },
		MaxConns: 1,
		MinConns: 1,
		Backoff:  func() backoff.BackOff { return backoff.NewConstantBackOff(10 * time.Millisecond) },
		Observer: pool.Tee(orders.Observer(), &pool.Observer{
			Evict:       func(info pool.EvictInfo) { evicted <- info },
			OutageBegin: func(o pool.Outage) { begun <- o },
		}),
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
	peer, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := hale.From(held.Value())
	watched := make(chan *health.DeadError, 1)
	defer conn.Watch(func(dead *health.DeadError) {
		if dead.Cause != health.PeerClosed {
			watched <- dead
		}
	})()
	l.Close() // so that the next dial fails, and an outage begins with the death
	_ = peer.SetLinger(0)
	peer.Close()

	dead := receive(t, "Observer.Dead", died).Err
	if dead.Cause != health.Reset || conn.Err() != error(dead) {
		t.Errorf("Conn.Err is %v, Observer.Dead was told %v", conn.Err(), dead)
	}
	if got := receive(t, "Watch", watched); got != dead {
		t.Errorf("Watch was told %v", got)
	}
	if got := receive(t, "Observer.Evict", evicted); got.Err != dead || !got.InUse {
		t.Errorf("Observer.Evict was told %v", got)
	}
	held.Close()
	request.End()
	if got := receive(t, "Observer.OutageBegin", begun); got.Death != dead {
		t.Errorf("Observer.OutageBegin was told %v", got)
	}
	p.Close()

	outage := r.one("outage orders")
	if !outage.StartTime.Equal(dead.Detected) {
		t.Errorf("the outage begins at %v, the death was detected at %v", outage.StartTime, dead.Detected)
	}
	has(t, "outage", outage.Attributes, map[string]any{
		"error.type": "reset", "hale.cause": "reset",
		"network.peer.address": "127.0.0.1", "network.peer.port": dead.Peer.(*net.TCPAddr).Port,
		"hale.window.latest": dead.WindowLatest.Seconds(),
	})
	if lost := events(outage, "hale.lost"); len(lost) != 1 || !lost[0].Time.Equal(dead.Detected) {
		t.Errorf("lost: %+v", lost)
	}
	if told := events(r.one("request"), "hale.detected"); len(told) != 1 || !told[0].Time.Equal(dead.Detected) {
		t.Errorf("detected: %+v", told)
	}
}

// receive waits for what a hook is told.
func receive[T any](t *testing.T, hook string, told <-chan T) (info T) {
	t.Helper()
	select {
	case info = <-told:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not called", hook)
	}
	return info
}
