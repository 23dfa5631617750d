package pool_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
)

// A name moves from one address of this machine to another, and the server at the
// old one goes on serving.
func TestAPoolFollowsItsNameOnARealKernel(t *testing.T) {
	t.Parallel()
	old, fresh := newServerAt(t, "127.0.0.1"), newServerAt(t, "127.0.0.2")
	var leads atomic.Value // where the name leads to: host and port
	leads.Store(old.addr)
	moved, first := make(chan string, 10), make(chan struct{})
	known := sync.OnceFunc(func() { close(first) })
	p := newPool(t, pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(hale.Dialer).DialContext(ctx, "tcp", leads.Load().(string))
		},
		Resolve: func(context.Context) ([]netip.Addr, error) {
			host, _, err := net.SplitHostPort(leads.Load().(string))
			return []netip.Addr{netip.MustParseAddr(host)}, err
		},
		MaxConns: 4, MinConns: 4,
		Observer: &pool.Observer{
			Resolved: func(pool.ResolvedInfo) { known() },
			Evict: func(i pool.EvictInfo) {
				if i.Reason == pool.ReasonMoved {
					host, _, _ := net.SplitHostPort(i.Conn.RemoteAddr().String())
					moved <- host
				}
			},
		},
	})
	<-first
	for range 3 {
		old.accept()
	}
	last := old.accept()
	held := acquire(t, p)
	if held.Value().RemoteAddr().String() == last.LocalAddr().String() && held.Value().LocalAddr().String() == last.RemoteAddr().String() {
		other := acquire(t, p) // the one held is to live
		held.Release()
		held = other
	}
	leads.Store(fresh.addr)
	last.Close() // as a server does that hands over
	for range 3 {
		fresh.accept()
	}
	for range 2 {
		if from := <-moved; from != "127.0.0.1" {
			t.Errorf("one to %s was closed", from)
		}
	}
	if hc, ok := hale.From(held.Value()); !ok || hc.Err() != nil {
		t.Error("the one in use was ended")
	}
	held.Release()
	if from := <-moved; from != "127.0.0.1" {
		t.Errorf("one to %s was closed", from)
	}
	fresh.accept()
	deadline := time.Now().Add(20 * time.Second)
	for p.Stats().Idle < 4 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	st := p.Stats()
	if st.Idle != 4 || st.Recycled[pool.ReasonMoved] != 3 || st.Deaths[health.PeerClosed] != 1 || st.Outages != 0 {
		t.Errorf("%+v", st)
	}
}
