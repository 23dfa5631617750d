package cluster

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// survive calls what may panic.
func survive(f func()) {
	defer func() { _ = recover() }()
	f()
}

// A hook that panics on the goroutine of a caller costs neither a place nor a
// connection.
func TestAHookThatPanicsInAnAcquireLosesNothing(t *testing.T) {
	t.Parallel()
	for name, observer := range map[string]func(oops func()) *Observer{
		"Fallback":      func(oops func()) *Observer { return &Observer{Fallback: func(FallbackInfo) { oops() }} },
		"FailoverBegin": func(oops func()) *Observer { return &Observer{FailoverBegin: func(FailoverInfo) { oops() }} },
		"Waited":        func(oops func()) *Observer { return &Observer{Waited: func(context.Context, WaitedInfo) { oops() }} },
	} {
		for _, idle := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var bad atomic.Bool
				var panics atomic.Int64
				s := newSite("a", "b")
				s.host("a").role.Store(int64(Primary))
				s.host("b").role.Store(int64(Replica))
				c := newCluster(t, s, func(c *Config[*fakeConn]) {
					c.MaxConns = 2
					c.Resolve = resolved(Endpoint{Address: "a", Role: Primary}, Endpoint{Address: "b", Role: Replica})
					c.RoleOf = func(conn *fakeConn) Role { return Role(conn.host.role.Load()) }
					c.Observer = observer(func() {
						if bad.Load() {
							panics.Add(1)
							panic("oops")
						}
					})
				})
				ready(t, c)
				for range 20 {
					conn := acquire(t, c, t.Context())
					if conn.Release(); !idle {
						conn.Close()
						c.Invalidate("")
					}
				}
				s.host("b").role.Store(int64(Primary)) // so there is no replica, and a primary was replaced
				bad.Store(true)
				for range 5 {
					survive(func() { acquire(t, c, Want(t.Context(), PreferReplica)).Release() })
				}
				for range 5 {
					survive(func() {
						if conn, ok := c.TryAcquire(Want(t.Context(), PreferReplica)); ok {
							conn.Release()
						}
					})
				}
				bad.Store(false)
				time.Sleep(time.Second)
				if st := c.Stats(); st.InUse != 0 || st.Total.InUse != 0 || panics.Load() == 0 && !(idle && name == "Waited") {
					t.Errorf("%s, idle %v: %d places and %d connections in use, %d panics", name, idle, st.InUse, st.Total.InUse, panics.Load())
				}
			})
		}
	}
}

// All hooks but Waited are called one after the other, and Closed is the last.
func TestTheEndIsToldLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		running := 0
		note := func(what string) {
			mu.Lock()
			if running++; running > 1 {
				t.Error("two at a time:", what)
			}
			log = append(log, what)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
		}
		s := newSite("a", "b", "c", "d")
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Ejection.Failures = 1
			c.Observer = &Observer{
				Ejected: func(EjectedInfo) { note("ejected") }, Panic: func(PanicInfo) { note("panic") },
				Resolved: func(ResolvedInfo) { note("resolved") }, Closed: func() { note("closed") },
			}
		})
		ready(t, c)
		time.Sleep(time.Second)
		conns := map[string]Conn[*fakeConn]{}
		for len(conns) < 4 {
			conn := acquire(t, c, t.Context())
			conns[conn.Endpoint().Address] = conn
		}
		go conns["a"].Report(errBad)
		time.Sleep(time.Millisecond) // it is being told
		c.Close()
		conns["b"].Report(errBad) // when it is over
		s.host("c").down(health.Reset)
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(log, []string{"resolved", "ejected", "closed"}) {
			t.Error(log)
		}
	})
}

// A function of the Config that does not return holds up neither the end nor another's
// calls.
func TestTheEndDoesNotWaitForFunctionsThatHang(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(c *Config[*fakeConn], block chan struct{}){
		"Watch": func(c *Config[*fakeConn], block chan struct{}) {
			c.Resolve = nil
			c.Watch = func(context.Context, func([]Endpoint) error) error { <-block; return nil }
		},
		"Role": func(c *Config[*fakeConn], block chan struct{}) {
			c.Role = func(context.Context, *fakeConn) (Role, error) { <-block; return Primary, nil }
		},
		"Open": func(c *Config[*fakeConn], block chan struct{}) {
			c.Pool.MinConns = 1
			c.Pool.Open = func(context.Context, conn) (*fakeConn, error) { <-block; return nil, errBad }
		},
		"Close after a Role that has failed": func(c *Config[*fakeConn], block chan struct{}) {
			c.Role = func(context.Context, *fakeConn) (Role, error) { return Any, errBad }
			c.Pool.Close = func(*fakeConn) error { <-block; return nil }
		},
		"Dial": func(c *Config[*fakeConn], block chan struct{}) {
			c.Pool.MinConns = 1
			c.Dial = func(context.Context, Endpoint) (conn, error) { <-block; return nil, errBad }
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			block := make(chan struct{})
			c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { spoil(c, block) })
			time.Sleep(time.Second)
			ended := make(chan struct{})
			start := time.Now()
			go func() { defer close(ended); c.Close() }()
			select {
			case <-ended:
				if took := time.Since(start); took > 2*lateAfter {
					t.Errorf("%s: after %v", name, took)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s holds it up", name)
			}
			close(block)
			<-ended
		})
	}
}

// A PoolObserver is called with a mutex held, across which no fake time passes.
func TestTheEndDoesNotWaitForAPoolObserverThatHangs(t *testing.T) {
	t.Parallel()
	called, block := make(chan struct{}), make(chan struct{})
	defer close(block)
	c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
		c.PoolObserver = func(Endpoint) *pool.Observer { close(called); <-block; return nil }
	})
	<-called
	c.Close()
}

// A request that panics leaves nothing behind of what takes its time. It is not
// parallel: it looks at the memory of the program.
func TestARequestThatPanicsLeavesNoClock(t *testing.T) {
	c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.Ejection.Slow = 3 })
	const times = 5000
	panics := func() {
		for range times {
			survive(func() {
				_ = c.Do(t.Context(), func(context.Context, *fakeConn) error { panic("oops") })
			})
		}
	}
	objects := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	panics()
	before := objects()
	panics()
	if after := objects(); after > before+times {
		t.Errorf("%d objects are left of %d requests", after-before, times)
	}
}
