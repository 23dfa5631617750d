package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

func TestShutdownEndsEveryWaitAndWaitsForWhatIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns, c.Observer = 2, o.observer() })
		held := []Conn[*fakeConn]{acquire(t, c, t.Context()), acquire(t, c, t.Context())}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := c.Acquire(t.Context()); err != pool.ErrClosed {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		time.AfterFunc(time.Second, func() { held[0].Release() })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		aborted, err := c.Shutdown(ctx)
		if aborted != 1 || err != context.DeadlineExceeded || time.Since(start) != 2*time.Second {
			t.Errorf("%d, %v after %v", aborted, err, time.Since(start))
		}
		wg.Wait()
		held[1].Release()
		if _, err := c.Acquire(t.Context()); err != pool.ErrClosed {
			t.Error(err)
		}
		if _, ok := c.TryAcquire(t.Context()); ok {
			t.Error("from a closed cluster")
		}
		if err := c.WaitReady(t.Context()); err != pool.ErrClosed {
			t.Error(err)
		}
		c.Invalidate("")
		c.Refresh()
		if st := c.Stats(); st.InUse != 0 || s.open() != 0 || o.closed != 1 {
			t.Errorf("%d in use, %d open, closed %d times", st.InUse, s.open(), o.closed)
		}
	})
}

// Whatever is under way, the end comes, and nothing is left.
func TestShutdownMayComeAtAnyTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := newSite("a", "b", "c", "d")
			for _, h := range s.hosts {
				h.role.Store(int64(Replica))
				h.delay = time.Millisecond
			}
			s.host("a").role.Store(int64(Primary))
			e := &endpoints{}
			e.set(nil, "a", "b", "c")
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.Resolve, c.ResolveEvery, c.Role, c.MaxConns, c.SlowStart = e.resolve, time.Second, askRole, 4, time.Second
			})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					for ctx.Err() == nil {
						conn, err := c.Acquire(Want(ctx, Role(rand.IntN(4))))
						if err != nil {
							return
						}
						time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
						conn.Release()
					}
				})
			}
			wg.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(700 * time.Millisecond)
					e.set(nil, []string{"a", "b", "c", "d"}[rand.IntN(2):2+rand.IntN(3)]...)
					c.Refresh()
					_ = c.Stats()
				}
			})
			wg.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(300 * time.Millisecond)
					h := s.host([]string{"a", "b"}[rand.IntN(2)])
					h.down(health.KeepAliveTimeout)
					time.Sleep(50 * time.Millisecond)
					h.up()
				}
			})
			wg.Go(func() { _ = c.WaitReady(Want(ctx, Primary)) })
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			for range 2 {
				wg.Go(func() {
					if rand.IntN(2) == 0 {
						c.Close()
						return
					}
					if _, err := c.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(2 * time.Second)
			cancel()
			wg.Wait()
			if st := c.Stats(); s.open() != 0 || st.InUse != 0 || st.Waiting != 0 {
				t.Errorf("%d open, %+v", s.open(), st)
			}
		})
	}
}

// vanish ends the goroutine it is called on, or panics.
func vanish(how int) {
	if how == 0 {
		panic("oops")
	}
	runtime.Goexit()
}

func TestCallbacksThatPanicAreErrorsAndLoseNoPlace(t *testing.T) {
	t.Parallel()
	for how := range 2 {
		synctest.Test(t, func(t *testing.T) {
			s := newSite("a", "b")
			o := new(told)
			var bad atomic.Bool
			bad.Store(true)
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				resolve := c.Resolve
				c.MaxConns, c.Observer = 2, o.observer()
				c.Resolve = func(ctx context.Context) ([]Endpoint, error) {
					if bad.Load() {
						vanish(how)
					}
					return resolve(ctx)
				}
				c.PoolObserver = func(Endpoint) *pool.Observer { vanish(how); return nil }
				c.Role = func(ctx context.Context, conn *fakeConn) (Role, error) {
					if bad.Load() {
						vanish(how)
					}
					return Primary, nil
				}
			})
			time.Sleep(100 * time.Millisecond)
			o.mu.Lock()
			if n := len(o.resolved); n == 0 {
				t.Error("nobody was told")
			} else if _, ok := errors.AsType[*pool.PanicError](o.resolved[0].Err); !ok {
				t.Error(o.resolved[0].Err)
			}
			o.mu.Unlock()
			bad.Store(false)
			time.Sleep(2 * time.Second)
			ready(t, c)
			bad.Store(true)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c.Invalidate("all anew")
			_, err := c.Acquire(Want(ctx, Primary))
			if _, ok := errors.AsType[*pool.PanicError](err); !ok || !errors.Is(err, pool.ErrUnavailable) {
				t.Error(err)
			}
			bad.Store(false)
			for range 2 {
				acquire(t, c, Want(t.Context(), Primary))
			}
			if n := c.Stats().InUse; n != 2 {
				t.Errorf("%d of 2 places are taken", n)
			}
		})
	}
}

// A function of the Config that breaks its word costs its endpoint, and nobody a place.
func TestWhatBreaksAtOneEndpointIsDoneAtAnother(t *testing.T) {
	t.Parallel()
	panics := func() { panic("oops") }
	for name, spoil := range map[string]func(c *Config[*fakeConn], bad func(string) bool){
		"a Dial that returns nothing": func(c *Config[*fakeConn], bad func(string) bool) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, e Endpoint) (net.Conn, error) {
				if bad(e.Address) {
					return nil, nil
				}
				return dial(ctx, e)
			}
		},
		"a Dial that returns a nil pointer": func(c *Config[*fakeConn], bad func(string) bool) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, e Endpoint) (net.Conn, error) {
				if bad(e.Address) {
					return (*fakeConn)(nil), nil
				}
				return dial(ctx, e)
			}
		},
		"a Dial that panics": func(c *Config[*fakeConn], bad func(string) bool) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, e Endpoint) (net.Conn, error) {
				if bad(e.Address) {
					panics()
				}
				return dial(ctx, e)
			}
		},
		"an Open that ends its goroutine": func(c *Config[*fakeConn], bad func(string) bool) {
			c.Pool.Open = func(_ context.Context, conn net.Conn) (*fakeConn, error) {
				if bad(conn.(*fakeConn).host.name) {
					runtime.Goexit()
				}
				return conn.(*fakeConn), nil
			}
		},
		"a Role that there is not": func(c *Config[*fakeConn], bad func(string) bool) {
			c.Role = func(_ context.Context, conn *fakeConn) (Role, error) {
				if bad(conn.host.name) {
					return PreferReplica, nil
				}
				return Primary, nil
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var at atomic.Value
			at.Store("a")
			c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
				c.MaxConns = 2
				spoil(c, func(address string) bool { return address == at.Load() })
			})
			for range 20 {
				if at, took := within(t, c, t.Context(), time.Minute); at != "b" || took > time.Second {
					t.Errorf("%s: %v after %v", name, at, took)
				}
			}
			at.Store("")
			time.Sleep(time.Minute)
			got := map[string]bool{}
			for range 50 {
				got[where(t, c, Any)] = true
			}
			if st := c.Stats(); len(got) != 2 || st.InUse != 0 {
				t.Errorf("%s: %v, and %d in use", name, got, st.InUse)
			}
		})
	}
}

func TestOtherCallbacksThatPanicLoseNoPlace(t *testing.T) {
	t.Parallel()
	for how := range 2 {
		synctest.Test(t, func(t *testing.T) {
			s := newSite("a")
			s.host("a").role.Store(int64(Primary))
			o := new(told)
			var bad atomic.Bool
			bad.Store(true)
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.MaxConns, c.Role, c.Observer = 1, askRole, o.observer()
				c.Observer.Waited = func(context.Context, WaitedInfo) {
					if bad.Load() {
						vanish(how)
					}
				}
				c.RoleOf = func(*fakeConn) Role {
					if bad.Load() {
						vanish(how)
					}
					return Any
				}
				c.Demoted = func(error) bool { vanish(how); return true }
				c.Ejection.Failed = func(error) bool { vanish(how); return true }
			})
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					defer func() { _ = recover() }()
					conn, err := c.Acquire(Want(t.Context(), Primary))
					if err == nil {
						defer conn.Release()
						conn.Report(errBad)
					}
				})
			}
			wg.Wait()
			bad.Store(false)
			for range 3 {
				if err := c.Do(t.Context(), func(context.Context, *fakeConn) error { return errBad }); !errors.Is(err, errBad) {
					t.Error(err)
				}
			}
			acquire(t, c, t.Context())
			if n := c.Stats().InUse; n != 1 {
				t.Errorf("%d places are taken", n)
			}
		})
	}
}

func TestAnObserverThatPanicsIsStillToldAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		calls := 0
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Ejection.Failed = func(error) bool { return true }
			c.Observer = &Observer{Ejected: func(EjectedInfo) { calls++; panic("oops") }}
		})
		for range 2 {
			func() {
				defer func() { _ = recover() }()
				for range 1000 {
					_ = c.Do(t.Context(), bad("a"))
				}
			}()
			time.Sleep(time.Minute)
		}
		if calls != 2 || c.Stats().InUse != 0 {
			t.Errorf("told %d times, %d in use", calls, c.Stats().InUse)
		}
	})
}

func TestWaitReadyWaitsForTheWish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		for _, h := range s.hosts {
			h.role.Store(int64(Replica))
			h.delay = time.Second
		}
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Role, c.Pool.MinConns = askRole, 2
			c.Resolve = func(ctx context.Context) ([]Endpoint, error) {
				time.Sleep(time.Second)
				return []Endpoint{{Address: "a"}, {Address: "b"}}, nil
			}
		})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := c.WaitReady(ctx); !errors.Is(err, pool.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) ||
			err.Error() != "cluster: no endpoint is known: context deadline exceeded" {
			t.Error(err)
		}
		if err := c.WaitReady(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.AfterFunc(10*time.Second, func() { s.host("b").role.Store(int64(Primary)) })
		if err := c.WaitReady(Want(t.Context(), Primary)); err != nil || time.Since(start) < 12*time.Second || time.Since(start) > 13*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Copies of a Conn may be asked by any goroutine, also when its use has ended and its
// ticket has gone on to the next: they say nothing of that.
func TestACopyOfAConnThatHasEndedSaysNothingOfTheNextUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns = 4 })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					conn := acquire(t, c, t.Context())
					wg.Go(func() {
						for conn.Endpoint() != (Endpoint{}) {
							conn.Report(nil)
							runtime.Gosched()
						}
					})
					conn.Release()
					if conn.Endpoint() != (Endpoint{}) {
						t.Error("a Conn that has ended has an endpoint")
					}
				}
			})
		}
		wg.Wait()
	})
}
