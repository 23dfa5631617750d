package debugpage

import (
	"context"
	"net"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

func TestTheKernelIsAskedAboutEachConnection(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	server, err := loadtest.Serve("server", new(loadtest.Account))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	dialer := hale.Dialer{KeepAlive: sockopt.Within(10 * time.Second)}
	p, err := pool.New(pool.Config[net.Conn]{
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", server.Addr()) },
		MaxConns: 1, MinConns: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := Handler(p.Snapshot)
	value := func(name string) (float64, bool) {
		conns := at(decoded(t, h, "/"), "pools", 0, "connections").([]any)
		if len(conns) == 0 {
			return 0, false
		}
		n, ok := at(conns[0], name).(float64)
		return n, ok
	}
	promise, _ := at(decoded(t, h, "/"), "pools", 0, "promise_s").(float64)
	if rtt, ok := value("rtt_s"); !ok || rtt <= 0 || rtt > 1 {
		t.Errorf("the round trip is %v", rtt)
	}
	if idle, ok := value("keepalive_idle_s"); !ok || idle < 1 || promise < 9 || promise > 10 {
		t.Errorf("idle time %v, promise %v", idle, promise)
	}
	if n, ok := value("unanswered_probes"); !ok || n != 0 {
		t.Errorf("%v probes are unanswered of a peer that lives", n)
	}
	if within, ok := value("noticed_within_s"); !ok || within <= 0 || within > promise {
		t.Errorf("noticed within %v of %v", within, promise)
	}
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if n, _ := value("unanswered_probes"); n > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no probe of a frozen peer is unanswered")
		}
	}
	if within, ok := value("noticed_within_s"); ok && within >= promise {
		t.Errorf("noticed within %v, although it has been silent", within)
	}
}
