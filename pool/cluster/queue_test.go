package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/pool"
)

// wait lists a caller with a turn, as one that has tried an endpoint in vain does.
func wait(t *testing.T, c *Cluster[*fakeConn], turn uint64) *waiter[*fakeConn] {
	t.Helper()
	w := &waiter[*fakeConn]{wish: &noWish, came: turn, told: make(chan *member[*fakeConn], 1)}
	if err := c.queue.push(w, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// A caller that goes on from an endpoint that hangs has its turn before those that came
// after it, wherever those are in the queue.
func TestWhoHasTriedInVainKeepsItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		ready(t, c)
		all := make(map[uint64]*waiter[*fakeConn])
		for _, turn := range []uint64{3, 1, 4, 2} {
			all[turn] = wait(t, c, turn)
		}
		c.served()
		for turn := range uint64(4) {
			select {
			case m := <-all[turn+1].told:
				c.leave(m)
			default:
				t.Fatalf("it is not the turn of %d", turn+1)
			}
		}
	})
}

// Nobody is served before those who wait, not even by what is free at this moment.
func TestWhoComesLaterDoesNotJumpTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		where(t, c, Any) // an idle one, from now on
		w := wait(t, c, c.queue.turn())
		if _, ok := c.TryAcquire(t.Context()); ok {
			t.Error("TryAcquire goes first")
		}
		got := make(chan Conn[*fakeConn], 1)
		go func() { got <- acquire(t, c, t.Context()) }()
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("Acquire goes first")
		}
		c.leave(<-w.told)
		(<-got).Release()
	})
}

// A wish that has no place holds up nobody, and loses its turn to nobody.
func TestNoWishStarves(t *testing.T) {
	t.Parallel()
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
				c.MaxConns, c.Pool.MaxConns = 4, 2
				c.Resolve = resolved(Endpoint{Address: "a", Role: Primary}, Endpoint{Address: "b", Role: Replica})
			})
			ready(t, c)
			var mu sync.Mutex
			worst := map[Role]time.Duration{}
			var wg sync.WaitGroup
			const callers = 24
			for i := range callers {
				role := Role(i % 4)
				wg.Go(func() {
					for range 50 {
						start := time.Now()
						conn := acquire(t, c, Want(t.Context(), role))
						mu.Lock()
						worst[role] = max(worst[role], time.Since(start))
						mu.Unlock()
						time.Sleep(10 * time.Millisecond)
						conn.Release()
					}
				})
			}
			wg.Wait()
			for role, took := range worst {
				// At most all others come before it, at an endpoint with two places.
				if took > callers*10*time.Millisecond/2 {
					t.Errorf("%v has waited for %v", role, took)
				}
			}
		})
	}
}

// Whenever ctx ends, the place goes on to the next.
func TestACtxMayEndAtAnyStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Pool.MaxConns, c.RoleMaxAge = 3, 2, 50*time.Millisecond
			c.Pool.Check, c.Pool.CheckAfter = func(ctx context.Context, _ *fakeConn) error {
				select {
				case <-time.After(15 * time.Millisecond):
				case <-ctx.Done():
				}
				return ctx.Err()
			}, 30*time.Millisecond
		}, "b")
		where(t, c, Primary)
		for _, h := range s.hosts {
			h.set(func() { h.delay = 20 * time.Millisecond })
			h.think(10 * time.Millisecond)
		}
		done := make(chan int)
		const callers, times = 12, 150
		for range callers {
			go func() {
				served := 0
				for range times {
					ctx, cancel := context.WithCancel(Want(t.Context(), Role(rand.IntN(4))))
					time.AfterFunc(time.Duration(rand.IntN(80))*time.Millisecond, cancel)
					conn, err := c.Acquire(ctx)
					switch {
					case err == nil:
						served++
						time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
						if rand.IntN(5) == 0 {
							conn.Close()
						}
						conn.Release()
					case !errors.Is(err, context.Canceled) || !pool.SafeToRetry(err):
						t.Error(err)
					}
					cancel()
				}
				done <- served
			}()
		}
		served := 0
		for range callers {
			served += <-done
		}
		time.Sleep(time.Minute)
		if st := c.Stats(); st.InUse != 0 || st.Waiting != 0 || st.Total.InUse != 0 || served == 0 || served == callers*times {
			t.Errorf("%d served of %d, %+v", served, callers*times, st)
		}
	})
}

// What serves nobody else serves who waits: a place at another endpoint, one that
// recovers, a role that is learned, a limit that is not reached any more.
func TestWhateverMakesAPlaceWakesWhoWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wish Role
		make func(s *site, e *endpoints, held []Conn[*fakeConn])
		most time.Duration
	}{
		"a release elsewhere": {Any, func(_ *site, _ *endpoints, held []Conn[*fakeConn]) { held[1].Release() }, 0},
		"a close":             {Any, func(_ *site, _ *endpoints, held []Conn[*fakeConn]) { held[0].Close() }, 0},
		"a hijack":            {Any, func(_ *site, _ *endpoints, held []Conn[*fakeConn]) { held[0].Hijack().Close() }, 0},
		"a promotion": {Primary, func(s *site, _ *endpoints, held []Conn[*fakeConn]) {
			held[1].Release()
			s.host("b").role.Store(int64(Primary))
		}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, e := newSite("a", "b"), &endpoints{}
			for _, h := range s.hosts {
				h.role.Store(int64(Replica))
			}
			e.set(nil, "a", "b")
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.Resolve, c.MaxConns, c.Pool.MaxConns, c.Role = e.resolve, 2, 1, askRole
			})
			held := []Conn[*fakeConn]{acquire(t, c, t.Context()), acquire(t, c, t.Context())}
			slices.SortFunc(held, func(a, b Conn[*fakeConn]) int { return int(a.Endpoint().Address[0]) - int(b.Endpoint().Address[0]) })
			took := make(chan time.Duration, 1)
			start := time.Now()
			go func() {
				conn := acquire(t, c, Want(t.Context(), test.wish))
				took <- time.Since(start)
				conn.Release()
			}()
			synctest.Wait()
			test.make(s, e, held)
			select {
			case took := <-took:
				if took > test.most {
					t.Errorf("%s: after %v", name, took)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s wakes nobody", name)
			}
		})
	}
}

// Who is served in the moment in which its ctx ends gives the place back, if it fails.
func TestAPlaceThatComesTooLateIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		ready(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failed := 0
		for range 100 {
			a := &acquisition[*fakeConn]{cluster: c, ctx: ctx, wish: &noWish, turn: c.queue.turn()}
			m, err := a.wait()
			if err != nil {
				failed++
				continue
			}
			c.leave(m)
		}
		if n := c.Stats().InUse; n != 0 || failed == 0 {
			t.Errorf("%d in use after %d that failed", n, failed)
		}
	})
}

// Who has tried all of a priority in vain may go on to the next, and does not wait for
// those before it who may not yet.
func TestWhoMayGoFurtherIsNotHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Pool.MaxConns = 4, 1
			c.Resolve = resolved(Endpoint{Address: "a"}, Endpoint{Address: "b", Priority: 1})
		})
		ready(t, c)
		acquire(t, c, t.Context())
		first := wait(t, c, c.queue.turn())
		w := &waiter[*fakeConn]{wish: &noWish, avoid: setOf(c.members[:1]), came: c.queue.turn(), told: make(chan *member[*fakeConn], 1)}
		if err := c.queue.push(w, 0); err != nil {
			t.Fatal(err)
		}
		c.served()
		if len(w.told) != 1 || len(first.told) != 0 {
			t.Errorf("%d of those who may go further, %d of the others", len(w.told), len(first.told))
		}
	})
}

// Who has waited and lost a place again, as to a quicker one while it looked for what is
// idle, is no waiter too many.
func TestWhoHasWaitedMayWaitAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 1, 1 })
		held := acquire(t, c, t.Context())
		a := &acquisition[*fakeConn]{cluster: c, ctx: t.Context(), wish: &noWish, turn: c.queue.turn()}
		place := make(chan error, 1)
		wait := func() {
			_, err := a.wait()
			place <- err
		}
		go wait()
		synctest.Wait()
		held.Release()
		if err := <-place; err != nil {
			t.Fatal(err)
		}
		after := make(chan struct{})
		go func() {
			acquire(t, c, t.Context()).Release()
			close(after)
		}()
		synctest.Wait() // the only one that may wait does
		go wait()
		synctest.Wait()
		m := c.members[0]
		c.leave(m)
		if err := <-place; err != nil {
			t.Fatal(err)
		}
		c.leave(m)
		<-after
	})
}
