package cluster

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/pool"
)

// resolved is a resolver for endpoints that do not change.
func resolved(all ...Endpoint) func(context.Context) ([]Endpoint, error) {
	return func(context.Context) ([]Endpoint, error) { return all, nil }
}

// within acquires under a time limit and says where that led, and what it took.
func within(t *testing.T, c *Cluster[*fakeConn], ctx context.Context, d time.Duration) (at string, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	start := time.Now()
	conn, err := c.Acquire(ctx)
	if err != nil {
		t.Error(err)
		return "", time.Since(start)
	}
	defer conn.Release()
	return conn.Endpoint().Address, time.Since(start)
}

// Who has tried all of its own zone in vain goes to the others, whatever is known of
// them by then.
func TestAZoneThatIsFrozenCostsAQuarterOfASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		s.host("a").freeze(0)
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Zone, c.Resolve = "here", resolved(Endpoint{Address: "a", Zone: "here"}, Endpoint{Address: "b", Zone: "there"})
		})
		if at, took := within(t, c, t.Context(), time.Second); at != "b" || took != nextAfter {
			t.Errorf("%s after %v", at, took)
		}
	})
}

func TestAPriorityThatIsFrozenCostsAQuarterOfASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		s.host("a").freeze(0)
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Resolve = resolved(Endpoint{Address: "a"}, Endpoint{Address: "b", Priority: 1})
		})
		if at, took := within(t, c, t.Context(), time.Second); at != "b" || took != nextAfter {
			t.Errorf("%s after %v", at, took)
		}
	})
}

// A place is no reason to go further: who finds none waits for one.
func TestAPriorityThatIsBusyIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Pool.MaxConns = 4, 1
			c.Resolve = resolved(Endpoint{Address: "a"}, Endpoint{Address: "b", Priority: 1})
		})
		held := acquire(t, c, t.Context())
		time.AfterFunc(10*time.Second, held.Release)
		if at, took := within(t, c, t.Context(), time.Minute); at != "a" || took != 10*time.Second {
			t.Errorf("%s after %v", at, took)
		}
	})
}

func TestWhoPrefersAReplicaGetsThePrimaryIfAllReplicasAreFrozen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		s.host("b").freeze(0)
		o := new(told)
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Resolve, c.Observer = resolved(Endpoint{Address: "a", Role: Primary}, Endpoint{Address: "b", Role: Replica}), o.observer()
		})
		if at, took := within(t, c, Want(t.Context(), PreferReplica), time.Second); at != "a" || took != nextAfter {
			t.Errorf("%s after %v", at, took)
		}
		synctest.Wait()
		if o.mu.Lock(); len(o.fallbacks) != 1 || !o.fallbacks[0] {
			t.Errorf("told %v", o.fallbacks)
		}
		o.mu.Unlock()
	})
}

// The zone's replicas carry all that they would, whoever else is in the zone.
func TestTheZoneIsWeighedByThoseThatFitTheWish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a1", "a2", "b1"), func(c *Config[*fakeConn]) {
			c.Zone = "a"
			c.Resolve = resolved(
				Endpoint{Address: "a1", Zone: "a", Role: Primary}, Endpoint{Address: "a2", Zone: "a", Role: Replica},
				Endpoint{Address: "b1", Zone: "b", Role: Replica})
		})
		for range 30 {
			if at := where(t, c, Replica); at != "a2" {
				t.Fatalf("%s is in another zone", at)
			}
		}
	})
}

// A primary that answers badly is still the primary; the one that it has replaced is not.
func TestAnEjectedPrimaryIsNotReplacedByTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.Ejection.Failed, c.Ejection.Failures = func(error) bool { return true }, 1
		}, "b", "c")
		where(t, c, Primary)
		s.host("a").freeze(0) // and dead at once
		s.host("b").role.Store(int64(Primary))
		time.Sleep(20 * time.Second)
		s.host("a").up() // says still that it is
		time.Sleep(time.Minute)
		_ = c.Do(Want(t.Context(), Primary), func(context.Context, *fakeConn) error { return errBad })
		for range 5 {
			if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at != "b" || took > time.Second {
				t.Fatalf("%s after %v", at, took)
			}
		}
	})
}

func TestWhoHasTriedAllInVainBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "spare")
		for _, h := range s.hosts {
			h.freeze(0)
		}
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Pool.DialTimeout = time.Minute
			c.Resolve = resolved(Endpoint{Address: "a"}, Endpoint{Address: "b"}, Endpoint{Address: "spare", Priority: 1})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(5*time.Second, s.host("b").up)
		_, err := c.Acquire(ctx)
		if err == nil || !pool.SafeToRetry(err) {
			t.Error("dials that hang go on hanging:", err)
		}
		for _, name := range []string{"a", "b", "spare"} {
			if s.host(name).dialled() == 0 {
				t.Errorf("%s was not tried", name)
			}
		}
	})
}

// An endpoint that hangs costs one caller its patience, not all who come.
func TestOneCallerPaysForAnEndpointThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.Pool.DialTimeout = time.Minute })
		ready(t, c)
		s.host("a").freeze(time.Hour)
		paid := 0
		const second = 40
		for range 5 * second {
			at, took := within(t, c, t.Context(), 10*time.Second)
			if at == "a" {
				t.Fatal("it hangs")
			}
			if took > 0 {
				paid++
			}
			time.Sleep(time.Second / second)
		}
		if paid != 1 {
			t.Errorf("%d have paid", paid)
		}
		s.host("a").up()
		time.Sleep(2 * time.Minute) // the dial that hung has ended, and another was made
		got := map[string]int{}
		for range 90 {
			got[where(t, c, Any)]++
		}
		if got["a"] < 15 {
			t.Errorf("it gets %v again", got)
		}
	})
}

// Connections in use that may be about to die speak for their endpoint, as long as
// there are others.
func TestASuspectEndpointIsNotChosen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.MaxConns, c.Pool.MaxConns = 30, 10 })
		held := map[string][]Conn[*fakeConn]{}
		for range 30 { // all that there are, and then half of them: five each
			conn := acquire(t, c, t.Context())
			held[conn.Endpoint().Address] = append(held[conn.Endpoint().Address], conn)
		}
		for name, conns := range held {
			for _, conn := range conns[5:] {
				conn.Release()
			}
			held[name] = conns[:5]
		}
		suspect := func(yes bool, of string, n int) {
			for _, conn := range held[of][:n] {
				conn.Value().suspect.Store(yes)
			}
			time.Sleep(2 * time.Second)
		}
		got := func() map[string]int {
			got := map[string]int{}
			for range 60 {
				got[where(t, c, Any)]++
			}
			return got
		}
		suspect(true, "a", 1) // one that has lost a packet
		if got()["a"] == 0 {
			t.Error("one of many speaks for all")
		}
		suspect(true, "a", 5)
		if got := got(); got["a"] != 0 {
			t.Errorf("all of a are suspect: %v", got)
		}
		for _, row := range c.Stats().Endpoints {
			if row.Suspect != (row.Endpoint.Address == "a") || row.State != "up" {
				t.Errorf("%+v", row)
			}
		}
		suspect(true, "b", 5)
		if got := got(); len(got) != 3 {
			t.Errorf("most are suspect, so that is our own network: %v", got)
		}
		suspect(false, "b", 5)
		suspect(false, "a", 5)
		if got := got(); len(got) != 3 {
			t.Errorf("they have recovered: %v", got)
		}
		suspect(true, "a", 5)
		for range 10 { // all of the others
			if at := acquire(t, c, t.Context()).Endpoint().Address; at == "a" {
				t.Error("there is a place elsewhere")
			}
		}
		if at := acquire(t, c, t.Context()).Endpoint().Address; at != "a" {
			t.Errorf("%s has no place", at)
		}
	})
}

// Every pair is drawn as often as any other, up to the grain of the grid.
func TestTwoOfAreDifferentAndAllPairsAreEquallyLikely(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{2, 3, 5} {
		const steps = 60 // that n and n-1 divide
		counts := map[[2]int]int{}
		for a := range uint64(steps) {
			for b := range uint64(steps) {
				i, j := twoOf(n, (a<<32/steps+1)<<32|(b<<32/steps+1))
				if i == j || i < 0 || j < 0 || uint64(max(i, j)) >= n {
					t.Fatalf("%d and %d of %d", i, j, n)
				}
				counts[[2]int{i, j}]++
			}
		}
		for pair, count := range counts {
			if want := steps * steps / int(n*(n-1)); count != want || len(counts) != int(n*(n-1)) {
				t.Errorf("%v of %d: %d times, want %d", pair, n, count, want)
			}
		}
	}
}

// What nobody uses is no sign: a middlebox may have forgotten it, or it is to be checked.
func TestIdleConnectionsThatAreSuspectSpeakForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b", "c"), nil)
		held := map[string][]Conn[*fakeConn]{}
		for len(held["a"]) < 4 {
			conn := acquire(t, c, t.Context())
			at := conn.Endpoint().Address
			held[at] = append(held[at], conn)
		}
		for _, conn := range held["a"][1:] {
			conn.Value().suspect.Store(true)
			conn.Release()
		}
		for range 20 {
			time.Sleep(100 * time.Millisecond)
			if row := c.Stats().Endpoints[0]; row.Suspect {
				t.Fatal("it is suspect")
			}
		}
	})
}

// Of three with the weights 1, 2 and 3 each pair is drawn as often as it is when two are
// taken out of an urn, one after the other.
func TestTwoDifferentOnesAreDrawnByTheirWeights(t *testing.T) {
	t.Parallel()
	var c choice[int]
	for weight := range 3 {
		c.add(new(member[int]), float64(weight+1))
	}
	const draws = 100_000
	got := map[[2]int]float64{}
	for range draws {
		i, j := c.two()
		got[[2]int{i, j}] += 1.0 / draws
	}
	for i := range 3 {
		for j := range 3 {
			want := 0.0
			if i != j {
				want = c.weights[i] / 6 * c.weights[j] / (6 - c.weights[i])
			}
			if math.Abs(got[[2]int{i, j}]-want) > 0.01 {
				t.Errorf("%d and %d: %.3f, want %.3f", i, j, got[[2]int{i, j}], want)
			}
		}
	}
}

// Who may not have the endpoint of its key has the next of the key, as everybody.
func TestTheNextOfAKeyIsTheSameForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b", "c", "d"), nil)
		ready(t, c)
		all := map[*member[*fakeConn]]bool{}
		for key := range 30 {
			w, next := wishOf(WithKey(t.Context(), fmt.Sprint(key))), map[*member[*fakeConn]]bool{}
			home := c.admit(w, nil)
			c.leave(home)
			for range 20 {
				m := c.admit(w, set[*fakeConn]{home: true})
				c.leave(m)
				next[m], all[m] = true, true
			}
			if len(next) != 1 || next[home] {
				t.Errorf("%d leads to %d endpoints", key, len(next))
			}
		}
		if len(all) != 4 {
			t.Errorf("the next of 30 keys are %d of 4", len(all))
		}
	})
}

// Who has tried some of a priority, and finds the others taken, tries those again.
func TestOnlyWhoHasTriedAllGoesFurther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b", "c"), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Pool.MaxConns = 3, 1
			c.Resolve = resolved(Endpoint{Address: "a"}, Endpoint{Address: "b"}, Endpoint{Address: "c", Priority: 1})
		})
		ready(t, c)
		a, b, spare := c.members[0], c.members[1], c.members[2]
		if !b.enter() {
			t.Fatal("it is free")
		}
		for want, tried := range map[*member[*fakeConn]]set[*fakeConn]{a: {a: true}, spare: {a: true, b: true}} {
			m := c.admit(&noWish, tried)
			if m != want {
				t.Errorf("%d were tried: %v", len(tried), m.endpoint())
			}
			c.leave(m)
		}
		b.inUse.Add(-1)
	})
}
