package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// ready waits until the endpoints are known.
func ready(t *testing.T, c *Cluster[*fakeConn]) {
	t.Helper()
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestCallersSpreadOverTheEndpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		c := newCluster(t, s, nil)
		var held []Conn[*fakeConn]
		for range 30 {
			held = append(held, acquire(t, c, t.Context()))
		}
		for _, e := range c.Stats().Endpoints {
			if e.InUse < 7 || e.InUse > 13 {
				t.Errorf("%s has %d of 30", e.Endpoint, e.InUse)
			}
		}
		for _, conn := range held {
			conn.Release()
			conn.Release()
		}
		if st := c.Stats(); st.InUse != 0 || st.Total.Acquires != 30 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWeightsAreSharesWhenNothingIsInUseAndWhenAllIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Resolve = func(context.Context) ([]Endpoint, error) {
				return []Endpoint{{Address: "a", Weight: 3}, {Address: "b"}}, nil
			}
		})
		ready(t, c)
		got := map[string]int{}
		for range 4000 {
			conn := acquire(t, c, t.Context())
			got[conn.Endpoint().Address]++
			conn.Release()
		}
		if got["a"] < 2800 || got["a"] > 3200 {
			t.Errorf("one at a time: %v, want 3 to 1", got)
		}
		for range 80 {
			acquire(t, c, t.Context())
		}
		if st := c.Stats(); st.Endpoints[0].InUse < 58 || st.Endpoints[0].InUse > 62 {
			t.Errorf("80 at a time: %d and %d, want 3 to 1", st.Endpoints[0].InUse, st.Endpoints[1].InUse)
		}
	})
}

func TestAFrozenEndpointCostsAQuarterOfASecondAndNothingOnceItIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		s.host("a").freeze(0)
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.Pool.DialTimeout = 2 * time.Second })
		worst := time.Duration(0)
		for range 20 {
			start := time.Now()
			conn := acquire(t, c, t.Context())
			worst = max(worst, time.Since(start))
			if got := conn.Endpoint().Address; got != "b" {
				t.Fatalf("%s is frozen", got)
			}
			conn.Release()
		}
		if worst != nextAfter {
			t.Errorf("the worst took %v, want %v", worst, nextAfter)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		start := time.Now()
		for range 20 {
			acquire(t, c, t.Context())
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("an endpoint that is known to be down costs %v", took)
		}
	})
}

func TestAFrozenEndpointNeverEatsTheWholeContext(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite("a", "b", "c")
			s.host("a").freeze(0)
			s.host("b").freeze(0)
			c := newCluster(t, s, nil)
			ready(t, c)
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), length)
				acquire(t, c, ctx).Close()
				cancel()
			}
		})
	}
}

func TestASlowDialIsWaitedForAfterAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		for _, h := range s.hosts {
			h.delay = 700 * time.Millisecond
		}
		c := newCluster(t, s, nil)
		start := time.Now()
		acquire(t, c, t.Context()).Release()
		if took := time.Since(start); took > 700*time.Millisecond+nextAfter { // it may be the second one that is waited for
			t.Errorf("it took %v, a dial 700ms", took)
		}
		if n := s.host("a").dialled() + s.host("b").dialled(); n > 2 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestAllThatAreDownAreToldOfInTheError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c", "d", "e")
		for _, h := range s.hosts {
			h.refuse = errRefused
		}
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.Name = "orders" })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.Acquire(ctx)
		for _, want := range []error{pool.ErrUnavailable, context.DeadlineExceeded, errRefused} {
			if !errors.Is(err, want) {
				t.Errorf("%v is not %v", err, want)
			}
		}
		if !pool.SafeToRetry(err) {
			t.Error("it is safe")
		}
		text := err.Error()
		if !strings.HasPrefix(text, "cluster orders: no endpoint available of 5 endpoints; ") || !strings.Contains(text, "; and 2 more: ") ||
			strings.Count(text, "connection refused") != 3 {
			t.Error(text)
		}
		if time.Sleep(20 * time.Second); !c.Stats().Total.Down {
			t.Error("it is not down")
		}
		s.host("d").up()
		conn := acquire(t, c, t.Context())
		if conn.Endpoint().Address != "d" {
			t.Error(conn.Endpoint())
		}
		conn.Release()
	})
}

func TestFailFastDoesNotWaitForWhatIsKnownToBeDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		for _, h := range s.hosts {
			h.refuse = errRefused
		}
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.FailFast = true })
		for i := range 3 {
			start := time.Now()
			_, err := c.Acquire(t.Context())
			if !errors.Is(err, pool.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			if took := time.Since(start); took > time.Second || i > 0 && took > 0 {
				t.Errorf("it took %v", took)
			}
		}
	})
}

// That there is no answer is known once it was asked for.
func TestFailFastDoesNotWaitForAnAnswerThatDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoints{}
		e.set(errBad)
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
			c.FailFast, c.Role = true, askRole
			c.Resolve = func(ctx context.Context) ([]Endpoint, error) { time.Sleep(time.Second); return e.resolve(ctx) }
		})
		for _, role := range []Role{Any, Primary} {
			ctx, cancel := context.WithTimeout(Want(t.Context(), role), time.Minute)
			_, err := c.Acquire(ctx)
			if cancel(); !errors.Is(err, pool.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || time.Since(c.born) != time.Second {
				t.Errorf("%v after %v", err, time.Since(c.born))
			}
		}
		e.set(nil, "a")
		time.Sleep(time.Minute)
		acquire(t, c, t.Context())
	})
}

func TestABusyClusterIsNotUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		s.host("a").refuse = errRefused
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns = 3 })
		for range 3 {
			acquire(t, c, t.Context())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Acquire(ctx)
		if errors.Is(err, pool.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !pool.SafeToRetry(err) {
			t.Error(err)
		}
		if want := "cluster: 3 of 3 in use, waited 1 s: context deadline exceeded"; err.Error() != want {
			t.Errorf("got %s\nwant %s", err, want)
		}
	})
}

func TestOneQueueForAllInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns, c.Pool.MaxConns = 6, 2 })
		var held []Conn[*fakeConn]
		for range 6 {
			held = append(held, acquire(t, c, t.Context()))
		}
		type served struct {
			i    int
			conn Conn[*fakeConn]
		}
		told := make(chan served, 40)
		for i := range 40 {
			go func() { told <- served{i, acquire(t, c, t.Context())} }()
			synctest.Wait()
		}
		for i := range 40 {
			held[i].Release()
			synctest.Wait()
			next := <-told
			if next.i != i {
				t.Fatalf("caller %d is served, in the turn of %d", next.i, i)
			}
			held = append(held, next.conn)
		}
		if n := s.open(); n > 6 {
			t.Errorf("%d are open", n)
		}
	})
}

func TestAWishThatCannotBeServedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Resolve = func(context.Context) ([]Endpoint, error) {
				return []Endpoint{{Address: "a", Role: Replica}, {Address: "b", Role: Replica}}, nil
			}
		})
		held := acquire(t, c, t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		failed := make(chan error)
		go func() {
			_, err := c.Acquire(Want(ctx, Primary))
			failed <- err
		}()
		synctest.Wait()
		served := make(chan Conn[*fakeConn])
		go func() { served <- acquire(t, c, Want(t.Context(), Replica)) }()
		synctest.Wait()
		start := time.Now()
		held.Release()
		(<-served).Release()
		if took := time.Since(start); took > 0 {
			t.Errorf("it is held up for %v", took)
		}
		if err := <-failed; !errors.Is(err, pool.ErrUnavailable) || !strings.Contains(err.Error(), "no primary available of 2 endpoints; a: is a replica; b: is a replica: ") {
			t.Error(err)
		}
	})
}

func TestTooManyWaitersAreTurnedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 1, 1 })
		held := acquire(t, c, t.Context())
		done := make(chan struct{})
		go func() { defer close(done); acquire(t, c, t.Context()).Release() }()
		synctest.Wait()
		if _, err := c.Acquire(t.Context()); !errors.Is(err, pool.ErrTooManyWaiters) || !pool.SafeToRetry(err) {
			t.Error(err)
		}
		held.Release()
		<-done
	})
}

func TestIdleConnectionsMakeRoomForADial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		e := &endpoints{}
		e.set(nil, "a")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns, c.Resolve, c.ResolveEvery = 4, e.resolve, 2*time.Second })
		var held []Conn[*fakeConn]
		for range 4 {
			held = append(held, acquire(t, c, t.Context()))
		}
		e.set(nil, "a", "b")
		time.Sleep(5 * time.Second)
		for _, conn := range held[:2] {
			conn.Release()
		}
		for range 2 {
			if conn := acquire(t, c, t.Context()); conn.Endpoint().Address != "b" {
				t.Errorf("%s has more in use", conn.Endpoint())
			}
		}
		time.Sleep(time.Second)
		if a, b := s.host("a").open(), s.host("b").open(); a != 2 || b != 2 {
			t.Errorf("%d and %d are open, want 2 and 2", a, b)
		}
	})
}

func TestTryAcquireNeitherDialsNorWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, nil)
		ready(t, c)
		if _, ok := c.TryAcquire(t.Context()); ok {
			t.Error("of nothing")
		}
		conn := acquire(t, c, t.Context())
		conn.Release()
		for range 20 { // wherever it lies
			conn, ok := c.TryAcquire(t.Context())
			if !ok {
				t.Fatal("there is one")
			}
			if _, ok := c.TryAcquire(t.Context()); ok {
				t.Fatal("there is one only")
			}
			conn.Release()
		}
		if st := c.Stats(); st.InUse != 0 || st.Total.Dials != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAConnIsOneUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns = 2 })
		for _, end := range []func(Conn[*fakeConn]){
			Conn[*fakeConn].Release, Conn[*fakeConn].Close,
			func(c Conn[*fakeConn]) { c.Hijack().Close() },
		} {
			conn := acquire(t, c, t.Context())
			if conn.Value() == nil || conn.Endpoint().Address != "a" || !conn.Untouched() {
				t.Error("it is not what it is")
			}
			end(conn)
			other := acquire(t, c, t.Context())
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { conn.Release(); conn.Close() })
			}
			wg.Wait()
			if conn.Value() != nil || conn.Hijack() != nil || conn.Endpoint() != (Endpoint{}) || conn.Untouched() {
				t.Error("it is over")
			}
			conn.Report(errRefused)
			if other.Value() == nil || c.Stats().InUse != 1 {
				t.Errorf("another use has ended: %d", c.Stats().InUse)
			}
			other.Release()
		}
		var zero Conn[*fakeConn]
		zero.Release()
		zero.Close()
		zero.Report(nil)
		if zero.Value() != nil || zero.Hijack() != nil || zero.Untouched() || zero.Endpoint() != (Endpoint{}) {
			t.Error("the zero Conn does something")
		}
	})
}

func TestADeathIsNotHandedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, nil)
		var held []Conn[*fakeConn]
		for range 10 {
			held = append(held, acquire(t, c, t.Context()))
		}
		for _, conn := range held {
			conn.Release()
		}
		s.host("a").down(health.KeepAliveTimeout)
		for range 10 {
			conn := acquire(t, c, t.Context())
			if conn.Endpoint().Address != "b" || conn.Value().Err() != nil {
				t.Error("dead")
			}
			defer conn.Release()
		}
	})
}
