package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestASubsetOfTenThousandIsAFewPools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite(), func(c *Config[*fakeConn]) { c.Resolve, c.Subset = resolved(addressesTo(10_000)...), 20 })
		for range 50 {
			acquire(t, c, t.Context()).Release()
		}
		if n := len(c.Stats().Endpoints); n != 20 {
			t.Errorf("%d are used", n)
		}
	})
}

// Hundreds of endpoints without a Subset: they come, serve, are all lost, heal, and go.
func TestHundredsOfEndpointsAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := newSite(), &endpoints{}
		e.all = addressesTo(400)
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.Resolve, c.ResolveEvery = e.resolve, 5*time.Second })
		var held []Conn[*fakeConn]
		at := map[string]bool{}
		for range 100 {
			conn := acquire(t, c, t.Context())
			held, at[conn.Endpoint().Address] = append(held, conn), true
		}
		if len(at) < 70 {
			t.Errorf("100 callers at %d endpoints", len(at))
		}
		for _, conn := range held[1:] {
			conn.Close()
		}
		conn := held[0]
		conn.Release()
		if got, ok := c.TryAcquire(t.Context()); !ok || got.Value() == nil {
			t.Error("the only one that is idle is not found")
		} else {
			got.Release()
		}
		for _, one := range e.all {
			s.host(one.Address).down(health.Reset)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Acquire(ctx); err == nil {
			t.Error("all are down")
		}
		for _, one := range e.all {
			s.host(one.Address).up()
		}
		time.Sleep(20 * time.Second)
		e.set(nil, "a")
		time.Sleep(10 * time.Second)
		if at := where(t, c, Any); at != "a" || len(c.Stats().Endpoints) != 1 {
			t.Errorf("%s, of %d", at, len(c.Stats().Endpoints))
		}
	})
}
