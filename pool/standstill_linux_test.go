package pool_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/twin"
	"example.com/hale/pool"
)

// standstill is how long these tests stop their second process.
const standstill = 5 * time.Second

// The replies of the server come while nobody is there to read them.
func TestAStandstillOfThisProcessIsNoDeath(t *testing.T) {
	t.Parallel()
	if address, ok := twin.Role(t); ok {
		checkingPoolThatIsStopped(t, address)
		return
	}
	p := twin.Start(t, twin.Echo(t, 200*time.Millisecond))
	p.Line() // heartbeats are under way
	p.Stop()
	time.Sleep(standstill)
	p.Continue()
	if line := p.Line(); line != "0 deaths, 0 outages, 0 dials failed, 0 heartbeats failed" {
		t.Error(line)
	}
	p.End()
}

func checkingPoolThatIsStopped(t *testing.T, address string) {
	const conns = 16
	var checks, failed atomic.Int32
	p := newPool(t, pool.Config[net.Conn]{
		Dial: dialer(new(hale.Dialer), address), MaxConns: conns, MinIdleConns: conns,
		Check: pingOf(&checks), CheckTimeout: 3 * time.Second, Heartbeat: 400 * time.Millisecond,
		Observer: &pool.Observer{Heartbeat: func(i pool.HeartbeatInfo) {
			if i.Err != nil {
				failed.Add(1)
			}
		}},
	})
	checked := func(n int32) func() bool {
		return func() bool { return checks.Load() >= n || failed.Load() > 0 }
	}
	eventually(t, "heartbeats", checked(2*conns))
	twin.StandStill(standstill-time.Second, "checking")
	eventually(t, "heartbeats afterwards", checked(checks.Load()+3*conns))
	twin.Say("%s, %d heartbeats failed", faults(p.Stats()), failed.Load())
}

func pingOf(calls *atomic.Int32) func(context.Context, net.Conn) error {
	return func(_ context.Context, c net.Conn) error {
		calls.Add(1)
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
}

// faults says what of st there is none of while all is well.
func faults(st pool.Stats) string {
	deaths := int64(0)
	for _, n := range st.Deaths {
		deaths += n
	}
	return fmt.Sprintf("%d deaths, %d outages, %d dials failed", deaths, st.Outages, st.DialErrors)
}

// The server is out of reach until just before the process goes on, when the
// time for the dial is over.
func TestADialIsMadeAgainAfterAStandstill(t *testing.T) {
	t.Parallel()
	if address, ok := twin.Role(t); ok {
		diallingPoolThatIsStopped(t, address)
		return
	}
	l := testnet.Listen(t)
	thaw := testnet.FreezeListener(t, l)
	p := twin.Start(t, l.Addr().String())
	p.Line() // the dial is under way
	p.Stop()
	time.Sleep(standstill)
	thaw()
	p.Continue()
	if line := p.Line(); line != "0 deaths, 0 outages, 0 dials failed, 1 made" {
		t.Error(line)
	}
	p.End()
}

func diallingPoolThatIsStopped(t *testing.T, address string) {
	began, dial := make(chan struct{}, 2), dialer(new(hale.Dialer), address)
	p := newPool(t, pool.Config[net.Conn]{
		MaxConns: 1, MinConns: 1, DialTimeout: 3 * time.Second,
		Dial: func(ctx context.Context) (net.Conn, error) {
			began <- struct{}{}
			return dial(ctx)
		},
	})
	<-began
	twin.StandStill(standstill-time.Second, "dialling")
	eventually(t, "a connection", func() bool { return p.Stats().Idle == 1 })
	st := p.Stats()
	twin.Say("%s, %d made", faults(st), st.Dials-st.DialErrors)
}
