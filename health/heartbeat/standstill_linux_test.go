package heartbeat

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/twin"
)

// The replies of the peers come while nobody is there to read them.
func TestPeersAreNotBlamedForAStandstillOfThisProcess(t *testing.T) {
	t.Parallel()
	if address, ok := twin.Role(t); ok {
		proberThatIsStopped(t, address)
		return
	}
	p := twin.Start(t, twin.Echo(t, 200*time.Millisecond))
	p.Line() // probes are under way
	p.Stop()
	time.Sleep(3 * time.Second)
	p.Continue()
	if line := p.Line(); line != "0 deaths" {
		t.Error(line)
	}
	p.End()
}

// proberThatIsStopped probes until every connection was probed three times
// after the standstill.
func proberThatIsStopped(t *testing.T, address string) {
	const conns = 16
	var probes, deaths atomic.Int32
	r := &Prober{Interval: 100 * time.Millisecond, Timeout: time.Second, Probe: func(ctx context.Context, c net.Conn) error {
		probes.Add(1)
		return ping(ctx, c)
	}}
	for range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		beginWith(t, r, c, func(*health.DeadError) { deaths.Add(1) })
	}
	reach := func(n int32) {
		for end := time.Now().Add(30 * time.Second); probes.Load() < n && deaths.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nobody probes")
			}
		}
	}
	reach(2 * conns)
	twin.StandStill(2*time.Second, "probing")
	reach(probes.Load() + 3*conns)
	twin.Say("%d deaths", deaths.Load())
}
