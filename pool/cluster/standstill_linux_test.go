package cluster

import (
	"context"
	"sync"
	"testing"
	"time"

	"example.com/hale/internal/lab/twin"
)

// standstill is for how long the second process is stopped: longer than a role holds,
// and than anything here may take.
const standstill = 3 * time.Second

// That this process stood still is no endpoint's fault: none is ejected for it, none
// loses its role, and nobody who waits gets an error. Not parallel: the second process is
// to be stopped within RoleTimeout, and others keep the processors busy for seconds.
func TestAStandstillOfThisProcessBlamesNobody(t *testing.T) {
	if _, ok := twin.Role(t); ok {
		clusterThatIsStopped(t)
		return
	}
	p := twin.Start(t, "")
	if line := p.Line(); line != "in a call" {
		t.Fatal(line)
	}
	p.Stop()
	time.Sleep(standstill)
	p.Continue()
	if line := p.Line(); line != "0 ejections, 0 failovers, 0 outages, 0 unresolved, 0 errors" {
		t.Error(line)
	}
	p.End()
}

func clusterThatIsStopped(t *testing.T) {
	s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
		c.Ejection.Slow, c.RoleMaxAge, c.RoleTimeout, c.MaxConns = 3, time.Second, time.Second, 8
		c.Pool.DialTimeout = 2 * time.Second
	}, "b", "c")
	for _, h := range s.hosts {
		h.think(time.Millisecond)
	}
	errors := 0
	call := func(role Role, fn func()) {
		ctx, cancel := context.WithTimeout(Want(t.Context(), role), 2*standstill)
		defer cancel()
		if err := c.Do(ctx, func(context.Context, *fakeConn) error { fn(); return nil }); err != nil {
			t.Log(err)
			errors++
		}
	}
	brief := func() { time.Sleep(time.Millisecond) }
	call(Primary, brief)
	for range 100 {
		call(Any, brief)
	}
	var wg sync.WaitGroup
	for _, h := range s.hosts {
		h.think(standstill / 2) // what is asked now is asked while it stands still
	}
	time.Sleep(1100 * time.Millisecond)
	wg.Go(func() { call(Primary, brief) })
	call(Replica, func() { twin.StandStill(standstill-time.Second, "in a call") })
	for _, h := range s.hosts {
		h.think(time.Millisecond)
	}
	wg.Wait()
	for range 100 {
		call(Any, brief)
	}
	call(Primary, brief)
	c.sweep()
	st := c.Stats()
	twin.Say("%d ejections, %d failovers, %d outages, %d unresolved, %d errors", st.Ejections, st.Failovers, st.Total.Outages, st.Unresolved, errors)
}
