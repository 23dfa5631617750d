package pool_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// TestThePoolRecyclesConnectionsWhoseReadsFailWithKeepaliveTimeouts: the error
// looks like a deadline (its Timeout is true), and the connection must not be
// kept for that.
func TestThePoolRecyclesConnectionsWhoseReadsFailWithKeepaliveTimeouts(t *testing.T) {
	t.Parallel()
	plain := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1}}
	for name, test := range map[string]struct {
		dial  func(ctx context.Context, network, address string) (net.Conn, error)
		write bool // a request into the silence
		cause health.Cause
	}{
		"the kernel's verdict on a plain connection": {plain.DialContext, false, health.KeepAliveTimeout},
		"the kernel's verdict, pronounced at the end of the promise": {
			(&hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}).DialContext, false, health.KeepAliveTimeout},
		"the watch's own verdict": {
			(&hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}).DialContext, true, health.SendTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			p := newPool(t, pool.Config[net.Conn]{
				Dial:     func(ctx context.Context) (net.Conn, error) { return test.dial(ctx, "tcp", s.addr) },
				MaxConns: 1,
			})
			c := acquire(t, p)
			testnet.Freeze(t, s.accept())
			if test.write {
				c.Value().Write([]byte("request"))
			}
			c.Value().SetReadDeadline(time.Now().Add(10 * time.Second))
			_, err := c.Value().Read(make([]byte, 1))
			if !errors.Is(err, syscall.ETIMEDOUT) || !health.IsDead(err) || health.Classify(err) != test.cause {
				t.Fatalf("read: %v", err)
			}
			c.Release()
			fresh := acquire(t, p)
			defer fresh.Release()
			peer := s.accept()
			if _, err := fresh.Value().Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if n, err := peer.Read(make([]byte, 1)); n != 1 {
				t.Error("nothing comes through the new connection:", err)
			}
			if st := p.Stats(); st.Deaths[test.cause] != 1 || st.Recycled[pool.ReasonDead] != 1 || st.Dials != 2 {
				t.Errorf("%+v", st)
			}
		})
	}
}
