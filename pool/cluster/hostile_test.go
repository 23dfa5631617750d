package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// A Watch that tells of another answer ten times in a millisecond, some of them wrong,
// costs nobody a connection, and its last word is what counts.
func TestAWatchMayPushWithoutAPause(t *testing.T) {
	t.Parallel()
	for _, hold := range []time.Duration{0, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			names := []string{"a", "b", "c", "d", "[fe80::1%eth0]:80", "[::ffff:10.0.0.1]:80"}
			s := newSite(names...)
			o := new(told)
			stable := make(chan struct{})
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.Resolve, c.Hold, c.MaxConns, c.SlowStart, c.Observer = nil, hold, 6, 10*time.Millisecond, o.observer()
				c.Watch = func(ctx context.Context, update func([]Endpoint) error) error {
					for range 500 {
						var all []Endpoint
						for _, i := range rand.Perm(len(names))[:rand.IntN(len(names)+1)] {
							e := Endpoint{Address: names[i], Weight: float64(rand.IntN(3)), Zone: names[rand.IntN(2)], Priority: rand.IntN(2), ID: fmt.Sprint(rand.IntN(2))}
							all = append(all, e, e)
						}
						if rand.IntN(100) == 0 {
							all = append(all, Endpoint{Weight: -1})
						}
						_ = update(all)
						time.Sleep(100 * time.Microsecond)
					}
					_ = update([]Endpoint{{Address: "a", Weight: 2}, {Address: "b", Zone: "z"}})
					close(stable)
					<-ctx.Done()
					return nil
				}
			})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for {
						select {
						case <-stable:
							return
						default:
						}
						conn, err := c.Acquire(WithKey(t.Context(), "k"))
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(time.Millisecond)
						conn.Release()
					}
				})
			}
			wg.Wait()
			time.Sleep(10 * time.Second)
			st := c.Stats()
			if st.InUse != 0 || len(st.Endpoints) != 2 || s.open() > 6 || len(c.draining) != 0 {
				t.Errorf("%d in use, %d endpoints, %d open, %d drain", st.InUse, len(st.Endpoints), s.open(), len(c.draining))
			}
			known := map[string]bool{}
			for _, r := range o.resolutions() {
				for _, e := range r.Added {
					known[e.key()] = true
				}
				for _, e := range r.Removed {
					if !known[e.key()] {
						t.Fatalf("%s has gone, and never come", e)
					}
					delete(known, e.key())
				}
				if r.Err == nil && len(known) != len(r.Endpoints) {
					t.Fatalf("%d are told of one by one, and %d at once", len(known), len(r.Endpoints))
				}
			}
		})
	}
}

// Roles that flap each 10 ms: nobody is given who has not said so, failovers begin and
// end in turn, and in the end all is well.
func TestRolesMayFlap(t *testing.T) {
	t.Parallel()
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			o := new(told)
			s, c := newRoles(t, o, func(c *Config[*fakeConn]) {
				c.RoleMaxAge, c.MaxConns, c.RoleEvery = 50*time.Millisecond, 8, 30*time.Millisecond
				c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
			}, "b", "c")
			for _, h := range s.hosts {
				h.think(time.Millisecond)
				h.set(func() { h.delay = 2 * time.Millisecond })
			}
			ready(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
					for name, h := range s.hosts { // none, one, or two of them
						h.role.Store(int64([]Role{Primary, Replica, Replica, Any}[rand.IntN(4)]))
						_ = name
					}
				}
			})
			served := 0
			var mu sync.Mutex
			for range 6 {
				wg.Go(func() {
					for ctx.Err() == nil {
						err := c.Do(pool.Idempotent(Want(ctx, Primary)), func(_ context.Context, conn *fakeConn) error {
							if said := time.Since(time.Unix(0, conn.host.saidPrimary.Load())); said > 50*time.Millisecond {
								t.Errorf("%s has said %v ago that it is the primary", conn.host.name, said)
							}
							mu.Lock()
							served++
							mu.Unlock()
							time.Sleep(time.Millisecond)
							if conn.host.role.Load() != int64(Primary) {
								return errBad
							}
							return nil
						})
						if err != nil && !errors.Is(err, errBad) && ctx.Err() == nil {
							t.Error(err)
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			wg.Wait()
			for name, h := range s.hosts {
				h.role.Store(int64(Replica))
				if name == "c" {
					h.role.Store(int64(Primary))
				}
			}
			time.Sleep(5 * time.Second)
			if at, took := within(t, c, Want(t.Context(), Primary), time.Second); at != "c" || took > 100*time.Millisecond {
				t.Errorf("%s after %v", at, took)
			}
			synctest.Wait()
			begun, ended := o.failovers()
			if len(begun) != len(ended) || served < 20 || c.Stats().InUse != 0 || c.Stats().FailingOver {
				t.Errorf("%d failovers have begun, %d ended, %d served, %+v", len(begun), len(ended), served, c.Stats())
			}
			for i := range min(len(begun), len(ended)) {
				if ended[i].Ended.Before(begun[i].Began) || i > 0 && begun[i].Detected.Before(ended[i-1].Ended) {
					t.Errorf("failover %d overlaps", i)
				}
			}
		})
	}
}

// Functions of the Config, and requests, may call the cluster.
func TestTheClusterMayBeCalledFromWhatItCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c *Cluster[*fakeConn]
		made := make(chan struct{})
		calls := func(ctx context.Context) {
			<-made
			_ = c.Stats()
			_ = c.Snapshot()
			c.Refresh()
			if conn, ok := c.TryAcquire(ctx); ok {
				conn.Release()
			}
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			if conn, err := c.Acquire(ctx); err == nil {
				conn.Report(errBad)
				conn.Release()
			}
		}
		s := newSite("a", "b")
		s.host("a").role.Store(int64(Primary))
		c = newCluster(t, s, func(c *Config[*fakeConn]) {
			resolve := c.Resolve
			c.MaxConns, c.Pool.MaxConns, c.RoleMaxAge, c.ResolveEvery = 4, 2, time.Second, time.Second
			c.Resolve = func(ctx context.Context) ([]Endpoint, error) { calls(ctx); return resolve(ctx) }
			c.Role = func(ctx context.Context, conn *fakeConn) (Role, error) { calls(ctx); return askRole(ctx, conn) }
			c.Pool.Open = func(ctx context.Context, conn conn) (*fakeConn, error) { calls(ctx); return openFake(ctx, conn) }
			c.Pool.Reset = func(ctx context.Context, _ *fakeConn) error { calls(ctx); return nil }
			c.Demoted = func(error) bool { _ = c.MaxConns; return false }
			c.Ejection.Failed = func(error) bool { return false }
			c.PoolObserver = func(Endpoint) *pool.Observer { return nil }
		})
		close(made)
		for range 20 {
			ctx, cancel := context.WithTimeout(Want(t.Context(), Primary), 10*time.Second)
			err := c.Do(ctx, func(ctx context.Context, conn *fakeConn) error {
				conn.wrote()
				calls(ctx)
				return c.Do(Want(ctx, Any), func(context.Context, *fakeConn) error { return nil })
			})
			cancel()
			if err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		if st := c.Stats(); st.InUse != 0 {
			t.Errorf("%d in use", st.InUse)
		}
	})
}

// Two that both say so are one primary: the one that was seen to become it last, until it
// cannot be reached.
func TestOfTwoPrimariesOneIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = 100 * time.Millisecond }, "b", "c")
		s.host("b").role.Store(int64(Primary))
		where(t, c, Primary)
		time.Sleep(time.Second)
		first := where(t, c, Primary)
		for range 100 {
			if at := where(t, c, Primary); at != first {
				t.Fatalf("%s, and %s before", at, first)
			}
			where(t, c, Any) // opens to both
			time.Sleep(50 * time.Millisecond)
		}
		s.host(first).down(health.Reset)
		if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at == first || at == "c" || took > time.Second {
			t.Errorf("%s after %v", at, took)
		}
	})
}

// Whatever is invalidated while a primary is sought, it is found.
func TestInvalidateDuringAFailover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s, c := newRoles(t, o, nil, "b", "c")
		for _, h := range s.hosts {
			h.set(func() { h.delay = 5 * time.Millisecond })
			h.think(5 * time.Millisecond)
		}
		where(t, c, Primary)
		s.host("a").down(health.Reset)
		const promoted = 2 * time.Second
		time.AfterFunc(promoted, func() { s.host("b").role.Store(int64(Primary)) })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				time.Sleep(50 * time.Millisecond)
				c.Invalidate("again")
			}
		}()
		at, took := within(t, c, Want(t.Context(), Primary), time.Minute)
		cancel()
		time.Sleep(100 * time.Millisecond)
		if at != "b" || took > promoted+defaultRoleEvery+100*time.Millisecond {
			t.Errorf("%s after %v", at, took)
		}
		synctest.Wait()
		if begun, ended := o.failovers(); len(begun) != 1 || len(ended) != 1 {
			t.Errorf("%d failovers have begun, %d ended", len(begun), len(ended))
		}
	})
}

// A key has another endpoint while its own is ejected, the same for all, and its own again
// after that.
func TestAKeyReturnsAfterAnEjection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newJudged(t, new(told), nil, "a", "b", "c")
		ready(t, c)
		ctx := WithKey(t.Context(), "k")
		at := func() string {
			conn := acquire(t, c, ctx)
			defer conn.Release()
			return conn.Endpoint().Address
		}
		home := at()
		for range 5 {
			_ = c.Do(ctx, bad(home))
		}
		away := at()
		if away == home {
			t.Fatal("it is ejected")
		}
		for range 20 {
			if got := at(); got != away {
				t.Errorf("%s, and %s before", got, away)
			}
		}
		time.Sleep(31 * time.Second)
		if got := at(); got != home {
			t.Errorf("%s, and not %s again", got, home)
		}
	})
}

// Who is alone has all callers, however new it is.
func TestTheOnlyEndpointDoesNotWarmUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.SlowStart, c.MaxConns = time.Hour, 20 })
		ready(t, c)
		for range 2 {
			var held []Conn[*fakeConn]
			start := time.Now()
			for range 20 {
				held = append(held, acquire(t, c, t.Context()))
			}
			if took := time.Since(start); took > 0 || c.Stats().Endpoints[0].Share != 1 {
				t.Errorf("after %v, a share of %v", took, c.Stats().Endpoints[0].Share)
			}
			for _, conn := range held {
				conn.Release()
			}
			s.host("a").down(health.Reset)
			time.Sleep(time.Second)
			s.host("a").up()
			time.Sleep(time.Minute)
		}
	})
}

// An end without any patience, while dials and questions hang, callers wait, endpoints are
// told of and one drains.
func TestAnEndWithoutPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s := newSite("a", "b", "c", "d")
		s.host("c").role.Store(int64(Primary))
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Role, c.RoleMaxAge, c.MaxConns, c.Pool.MaxConns, c.Observer = askRole, time.Second, 8, 4, o.observer()
			c.Resolve, c.Watch = nil, func(ctx context.Context, update func([]Endpoint) error) error {
				for i := 0; ctx.Err() == nil; i++ {
					all := []Endpoint{{Address: "a"}, {Address: "b"}, {Address: "c", Weight: 1 + float64(i%2)}}
					if i == 0 {
						all = append(all, Endpoint{Address: "d"})
					}
					_ = update(all)
					time.Sleep(500 * time.Millisecond)
				}
				return ctx.Err()
			}
		})
		where(t, c, Primary)
		var held []Conn[*fakeConn]
		for at := ""; at != "d"; { // it drains
			conn := acquire(t, c, t.Context())
			at, held = conn.Endpoint().Address, append(held, conn)
		}
		time.Sleep(5 * time.Second)
		s.host("a").freeze(time.Hour)
		for _, name := range []string{"b", "c"} {
			s.host(name).hang(true)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for {
					conn, err := c.Acquire(Want(t.Context(), Role(i%4)))
					if err != nil {
						if !errors.Is(err, pool.ErrClosed) {
							t.Error(err)
						}
						return
					}
					time.Sleep(time.Second)
					conn.Release()
				}
			})
		}
		time.Sleep(1300 * time.Millisecond)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		for i := range 3 {
			wg.Go(func() {
				if i == 0 {
					c.Close()
				} else {
					_, _ = c.Shutdown(over)
				}
				if took := time.Since(start); took > 2*lateAfter {
					t.Errorf("the end takes %v", took)
				}
			})
		}
		wg.Wait()
		for _, conn := range held {
			conn.Release()
		}
		if st := c.Stats(); st.InUse != 0 || st.Waiting != 0 || s.open() != 0 || o.ends() != 1 {
			t.Errorf("%d in use, %d wait, %d open, closed %d times", st.InUse, st.Waiting, s.open(), o.ends())
		}
	})
}
