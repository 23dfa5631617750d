package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// suspected is which endpoints are in doubt.
func suspected(c *Cluster[*fakeConn]) (all []string) {
	for _, row := range c.Stats().Endpoints {
		if row.Suspect {
			all = append(all, row.Endpoint.Address)
		}
	}
	return all
}

// A dial that takes longer than its caller waits puts its endpoint in doubt, until it
// succeeds.
func TestADoubtEndsWithAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		s.host("a").delay = 400 * time.Millisecond
		c := newCluster(t, s, nil)
		ready(t, c)
		for s.host("a").dialled() == 0 {
			acquire(t, c, t.Context())
		}
		if got := suspected(c); len(got) != 1 || got[0] != "a" {
			t.Errorf("%v are in doubt", got)
		}
		time.Sleep(151 * time.Millisecond)
		if got := suspected(c); len(got) != 0 || s.host("a").open() != 1 {
			t.Errorf("%v are in doubt, and %d connections are open", got, s.host("a").open())
		}
	})
}

// That a caller has little time is no sign.
func TestTheEndOfACallersOwnContextIsNoDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a")
		s.host("a").delay = 100 * time.Millisecond
		c := newCluster(t, s, nil)
		ready(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := c.Acquire(ctx); err == nil {
			t.Error("it takes longer")
		}
		if got := suspected(c); len(got) != 0 {
			t.Errorf("%v are in doubt", got)
		}
	})
}

// Suspects are looked for from the first use on, and only while there is any.
func TestSuspectsAreLookedForWhileAnythingIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), nil)
		ready(t, c)
		for range 2 {
			if c.looking.Load() {
				t.Error("nothing is in use")
			}
			conn := acquire(t, c, t.Context())
			if time.Sleep(time.Minute); !c.looking.Load() {
				t.Error("one is in use")
			}
			conn.Release()
			time.Sleep(time.Second)
		}
	})
}
