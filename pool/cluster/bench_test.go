package cluster

import (
	"context"
	"testing"
	"time"

	"example.com/hale/pool"
)

func benchCluster(b *testing.B, roles bool) *Cluster[*fakeConn] {
	s := newSite("a", "b", "c")
	for _, h := range s.hosts {
		h.role.Store(int64(Primary))
	}
	config := Config[*fakeConn]{Resolve: Static("a", "b", "c"), Dial: s.dial, MaxConns: 64, RoleMaxAge: time.Hour, Pool: pool.Config[*fakeConn]{Open: openFake, MinConns: 8}}
	if roles {
		config.Role = askRole
	}
	c, err := New(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	if err := c.WaitReady(context.Background()); err != nil {
		b.Fatal(err)
	}
	for c.Stats().Total.Idle < 24 {
		time.Sleep(time.Millisecond)
	}
	return c
}

func BenchmarkAcquire(b *testing.B) {
	for _, wish := range []Role{Any, Primary} {
		b.Run(wish.String(), func(b *testing.B) {
			c := benchCluster(b, wish == Primary)
			ctx := Want(b.Context(), wish)
			b.ReportAllocs()
			for b.Loop() {
				conn, err := c.Acquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				conn.Release()
			}
		})
	}
}

func BenchmarkAcquireParallel(b *testing.B) {
	c := benchCluster(b, false)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			conn, err := c.Acquire(context.Background())
			if err != nil {
				b.Error(err)
				return
			}
			conn.Release()
		}
	})
}
