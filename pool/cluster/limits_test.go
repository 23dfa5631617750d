package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/pool"
)

// An idle connection that is to be checked first is closed as well.
func TestWhatIsToBeCheckedMakesRoomToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Pool.CheckAfter, c.ResolveEvery = 4, time.Second, 2*time.Second
			c.Pool.Check = func(context.Context, *fakeConn) error { return nil }
		}, "a")
		var held []Conn[*fakeConn]
		for range 4 {
			held = append(held, acquire(t, c, t.Context()))
		}
		for _, conn := range held {
			conn.Release()
		}
		e.set(nil, "b", "a")
		time.Sleep(10 * time.Second)
		for s.host("b").open() < 2 {
			acquire(t, c, t.Context())
		}
		time.Sleep(3 * time.Second)
		if n := s.open(); n > 4 {
			t.Errorf("%d are open", n)
		}
	})
}

// What was opened to ask for a role is closed if it is one too many.
func TestWhatAsksForRolesIsNotKeptBeyondTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.MaxConns = 4 }, "b", "c", "d")
		ready(t, c)
		for _, h := range s.hosts {
			h.think(300 * time.Millisecond)
		}
		where(t, c, Primary)
		var held []Conn[*fakeConn]
		for range 4 {
			held = append(held, acquire(t, c, Want(t.Context(), Replica)))
		}
		s.host("a").freeze(0)
		time.Sleep(time.Second)
		s.host("b").role.Store(int64(Primary))
		time.Sleep(5 * time.Second)
		if n := s.open(); n > 4 {
			t.Errorf("%d are open, and 4 in use", n)
		}
		for _, conn := range held {
			conn.Release()
		}
	})
}

// Who leaves and returns while it drains is one endpoint still.
func TestAnEndpointThatReturnsHasOneLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) {
			c.Pool.MaxConns, c.ResolveEvery = 2, 2*time.Second
		}, "a", "b")
		var held []Conn[*fakeConn]
		for range 4 {
			held = append(held, acquire(t, c, t.Context()))
		}
		for _, some := range [][]string{{"b"}, {"a", "b"}, {"b"}, {"a", "b"}} {
			e.set(nil, some...)
			time.Sleep(5 * time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fifth: %v", err)
		}
		if n := s.host("a").open(); n != 2 {
			t.Errorf("%d are open", n)
		}
		total := 0
		for _, row := range c.Stats().Endpoints {
			total += row.InUse
		}
		if total != 4 || c.Stats().InUse != 4 {
			t.Errorf("%d and %d in use", total, c.Stats().InUse)
		}
		next := make(chan Conn[*fakeConn])
		go func() { next <- acquire(t, c, t.Context()) }()
		synctest.Wait()
		for _, conn := range held {
			if conn.Endpoint().Address == "a" {
				conn.Release()
				break
			}
		}
		select {
		case conn := <-next:
			if conn.Endpoint().Address != "a" {
				t.Error(conn.Endpoint())
			}
		case <-time.After(time.Second):
			t.Error("the place that came free serves nobody")
		}
	})
}

// A Resolve that does not return is not called again meanwhile.
func TestResolveIsCalledOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, calls atomic.Int64
		block := make(chan struct{})
		o := new(told)
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
			c.Observer = o.observer()
			c.Resolve = func(context.Context) ([]Endpoint, error) {
				if running.Add(1) > 1 {
					t.Error("two calls at a time")
				}
				defer running.Add(-1)
				if calls.Add(1) > 1 {
					<-block
				}
				return []Endpoint{{Address: "a"}}, nil
			}
		})
		ready(t, c)
		time.Sleep(10 * time.Minute)
		if calls.Load() != 2 || len(o.resolutions()) != 2 || o.resolutions()[1].Err == nil {
			t.Errorf("called %d times, told %v", calls.Load(), o.resolutions())
		}
		close(block)
		time.Sleep(2 * time.Minute)
		if calls.Load() < 4 {
			t.Errorf("called %d times after it has returned", calls.Load())
		}
	})
}

// A Resolve that never returns holds up no end for long.
func TestTheEndDoesNotWaitForAResolveThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		defer close(block)
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
			c.Resolve = func(context.Context) ([]Endpoint, error) { <-block; return nil, nil }
		})
		for _, wait := range []time.Duration{0, time.Minute} {
			time.Sleep(wait)
			start := time.Now()
			c.Close()
			if took := time.Since(start); took > lateAfter {
				t.Errorf("after %v it took %v", wait, took)
			}
		}
	})
}

// After the end the Observer is told nothing.
func TestAnUpdateAfterTheEndIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *teller
		o := new(told)
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.Observer, w = o.observer(), tells(c) })
		w.tell(t, Endpoint{Address: "a"})
		c.Close()
		told := len(o.resolutions())
		for _, all := range [][]Endpoint{nil, {{}}, {{Address: "b"}}} {
			if err := w.update(all); err == nil || err.Error() != "pool: closed" {
				t.Errorf("%v: %v", all, err)
			}
		}
		if all := o.resolutions(); len(all) != told {
			t.Error("told after the end:", all[told:])
		}
	})
}

func TestWeightsAtTheirLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b float64
		want float64 // of callers, at a
	}{{0, 0, 0.5}, {1, 0, 0.5}, {maxWeight, maxWeight, 0.5}, {maxWeight, minWeight, 1}, {minWeight, minWeight, 0.5}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
				c.Resolve = resolved(Endpoint{Address: "a", Weight: test.a}, Endpoint{Address: "b", Weight: test.b})
			})
			ready(t, c)
			n := 0.0
			for i := range 1000 {
				ctx := t.Context()
				if i%2 == 0 {
					ctx = WithKey(ctx, string(rune(i)))
				}
				conn := acquire(t, c, ctx)
				if conn.Endpoint().Address == "a" {
					n++
				}
				conn.Release()
			}
			if got := n / 1000; got < test.want-0.1 || got > test.want+0.1 {
				t.Errorf("%v to %v: %.2f at a", test.a, test.b, got)
			}
		})
	}
	for _, weight := range []float64{maxWeight * 1.01, minWeight / 2, -minWeight} {
		if _, err := checkAll([]Endpoint{{Address: "a", Weight: weight}}); err == nil {
			t.Errorf("%v is a weight", weight)
		}
	}
}

// Ejections are as long as they are on every machine, however short For is.
func TestEjectionsOfAnyLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		_, c := newJudged(t, o, func(c *Config[*fakeConn]) {
			c.Ejection.For, c.Ejection.Most, c.Ejection.Failures = 1, time.Hour, 1
		}, "a", "b", "c")
		for i := range 3 {
			for len(o.ejections()) == i {
				_ = c.Do(t.Context(), bad("a"))
			}
			if got := o.ejections()[i]; got.For != time.Duration(got.Times) {
				t.Errorf("%v", got)
			}
			time.Sleep(time.Hour)
		}
		if got := o.ejections()[2]; got.Times != 1 {
			t.Errorf("an hour later: %v", got)
		}
	})
}

func TestWhatDrainsIsListedInTheOrderInWhichItLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.ResolveEvery = 2 * time.Second }, "a", "b", "c", "d")
		held := map[string]bool{}
		for len(held) < 4 {
			held[acquire(t, c, t.Context()).Endpoint().Address] = true
		}
		for _, some := range [][]string{{"a", "b", "d"}, {"b", "d"}, {"d"}} {
			e.set(nil, some...)
			time.Sleep(5 * time.Second)
		}
		var rows []string
		for _, row := range c.Stats().Endpoints {
			rows = append(rows, row.Endpoint.Address)
		}
		if !slices.Equal(rows, []string{"d", "c", "a", "b"}) {
			t.Error(rows)
		}
	})
}

// Room is made before a dial, not after it, and by the endpoint with most that is idle.
func TestRoomIsMadeBeforeADialByWhoHasMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns = 4 })
		ready(t, c)
		members := make(map[string]*member[*fakeConn])
		for _, m := range c.members {
			members[m.endpoint().Address] = m
		}
		var held []pool.Conn[*fakeConn]
		for _, at := range []string{"b", "a", "a", "a"} {
			conn, err := members[at].pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
		}
		for _, conn := range held {
			conn.Release()
		}
		s.host("c").set(func() { s.host("c").delay = time.Second })
		go func() {
			if conn, err := members["c"].pool.Acquire(t.Context()); err == nil {
				conn.Release()
			}
		}()
		synctest.Wait() // it is being dialled
		if a, b := s.host("a").open(), s.host("b").open(); a != 2 || b != 1 {
			t.Errorf("when c is dialled %d and %d are open", a, b)
		}
		time.Sleep(2 * time.Second)
		if n := s.open(); n != 4 {
			t.Errorf("%d are open", n)
		}
	})
}

// Where there are fewer connections than endpoints, they are used again, and not closed
// for one another.
func TestFewConnectionsToManyEndpointsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ endpoints, conns, callers int }{{10, 1, 1}, {10, 1, 3}, {10, 4, 4}, {10, 4, 12}, {3, 10, 30}, {3, 10, 10}} {
		synctest.Test(t, func(t *testing.T) {
			var names []string
			for i := range test.endpoints {
				names = append(names, string(rune('a'+i)))
			}
			s := newSite(names...)
			c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns = test.conns })
			ready(t, c)
			var wg sync.WaitGroup
			for range test.callers {
				wg.Go(func() {
					for range 100 {
						conn := acquire(t, c, t.Context())
						time.Sleep(time.Duration(1+rand.IntN(10)) * time.Millisecond)
						conn.Release()
					}
				})
			}
			wg.Wait()
			if st := c.Stats(); st.Total.Dials > int64(3*test.conns+test.endpoints) || st.InUse != 0 || s.open() > test.conns {
				t.Errorf("%+v: %d dials, %d in use, %d open", test, st.Total.Dials, st.InUse, s.open())
			}
		})
	}
}

// The minima of the pools come before MaxConns: what they have open makes room for nobody.
func TestWhatThePoolsAreToHaveMakesNoRoom(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config[*fakeConn]){
		"MinConns":     func(c *Config[*fakeConn]) { c.Pool.MinConns = 1 },
		"MinIdleConns": func(c *Config[*fakeConn]) { c.Pool.MinIdleConns = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite("a", "b", "c")
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.MaxConns = 4
				change(c)
			})
			ready(t, c)
			time.Sleep(time.Second)
			for range 4 {
				acquire(t, c, t.Context())
			}
			time.Sleep(5 * time.Second)
			before := s.host("a").dialled() + s.host("b").dialled() + s.host("c").dialled()
			time.Sleep(5 * time.Minute)
			if n := s.host("a").dialled() + s.host("b").dialled() + s.host("c").dialled() - before; n > 0 {
				t.Errorf("%s: %d are dialled again", name, n)
			}
		})
	}
}

// Who has waited, and goes on to another endpoint, is not turned away for who has come
// since.
func TestWhoGoesOnIsNotOneTooMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a")
		s.host("a").freeze(0)
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters, c.Pool.DialTimeout = 1, 1, time.Minute })
		ready(t, c)
		failed := make(chan error, 2)
		for range 2 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := c.Acquire(ctx)
				failed <- err
			}()
			synctest.Wait()
		}
		for range 2 {
			if err := <-failed; errors.Is(err, pool.ErrTooManyWaiters) {
				t.Error(err)
			}
		}
	})
}

// A primary that the resolver names is used, whether it is in the subset or not.
func TestThePrimaryIsInEverySubset(t *testing.T) {
	t.Parallel()
	all := addressesTo(50)
	for i := range all {
		all[i].Role = Replica
	}
	all[7].Role = Primary
	for i := range 20 {
		c := &Cluster[int]{config: Config[int]{Subset: 3, ClientID: string(rune('a' + i))}}
		if used := c.subset(slices.Clone(all)); len(used) > 4 || !slices.Contains(used, all[7]) {
			t.Errorf("%v", used)
		}
	}
}

// A Watch that returns is called again, after pauses that grow, and then after short ones
// if it has lasted.
func TestAWatchThatReturnsIsCalledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls, last atomic.Int64
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
			c.Resolve, c.Watch = nil, func(ctx context.Context, _ func([]Endpoint) error) error {
				calls.Add(1)
				sleep(ctx, time.Duration(last.Load()))
				return errBad
			}
		})
		time.Sleep(10 * time.Minute)
		if n := calls.Load(); n < 20 || n > 40 {
			t.Errorf("called %d times in ten minutes", n)
		}
		last.Store(int64(time.Minute))
		time.Sleep(5 * time.Minute)
		calls.Store(0)
		time.Sleep(61 * time.Minute)
		if n := calls.Load(); n < 58 {
			t.Errorf("called %d times in an hour, although it lasts a minute", n)
		}
		if n := c.Stats().Unresolved; n == 0 {
			t.Error("nobody is told")
		}
	})
}
