//go:build !race

// With the race detector sync.Pool drops at random.

package cluster

import (
	"testing"
	"time"

	"example.com/hale/pool"
)

func TestAnAcquireThatIsServedAtOnceAllocatesNothing(t *testing.T) {
	s := newSite("a", "b", "c")
	c, err := New(Config[*fakeConn]{Resolve: Static("a", "b", "c"), Dial: s.dial, MaxConns: 16, Pool: pool.Config[*fakeConn]{Open: openFake, MinConns: 2}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for c.Stats().Total.Idle < 6 {
		time.Sleep(time.Millisecond)
	}
	ctx := Want(t.Context(), PreferReplica)
	if n := testing.AllocsPerRun(1000, func() {
		conn, err := c.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		conn.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
