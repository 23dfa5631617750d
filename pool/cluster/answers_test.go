package cluster

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a cluster of a, the primary, and b, and how to tell it of their roles.
func watched(t *testing.T, change func(*Config[*fakeConn])) (s *site, c *Cluster[*fakeConn], w *teller) {
	t.Helper()
	s, c = newRoles(t, new(told), func(c *Config[*fakeConn]) {
		w = tells(c)
		c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
		if change != nil {
			change(c)
		}
	}, "b")
	w.roles(t, Primary, Replica)
	return s, c, w
}

// A slow answer is the endpoint's own, and no reason to try it again, or another.
func TestASlowAnswerIsNoHop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = 2 * time.Second }, "b")
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		s.host("a").think(600 * time.Millisecond)
		at, took := within(t, c, Want(t.Context(), Primary), time.Minute)
		if st := c.Stats(); at != "a" || took != 600*time.Millisecond || st.Hops != 0 || st.Endpoints[0].Suspect {
			t.Errorf("%s after %v, %d hops, suspect: %v", at, took, st.Hops, st.Endpoints[0].Suspect)
		}
	})
}

// Who is on the way to a primary that is replaced meanwhile does not get it, although it
// says still that it is.
func TestWhoIsReplacedDuringADialIsNotHandedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, w := watched(t, nil)
		first := acquire(t, c, Want(t.Context(), Primary))
		synctest.Wait()
		for _, ok := c.TryAcquire(t.Context()); ok; _, ok = c.TryAcquire(t.Context()) { // so the next one is dialled
		}
		s.host("a").set(func() { s.host("a").delay = 100 * time.Millisecond })
		got := make(chan string, 1)
		go func() { got <- where(t, c, Primary) }()
		time.Sleep(50 * time.Millisecond)
		s.host("b").role.Store(int64(Primary))
		w.roles(t, Replica, Primary)
		if at := <-got; at != "b" {
			t.Errorf("%s was replaced", at)
		}
		first.Release()
	})
}

// early is a Role that answers what was so when it was asked.
func early(ctx context.Context, conn *fakeConn) (Role, error) {
	role := Role(conn.host.role.Load())
	_, err := askRole(ctx, conn)
	return role, err
}

// What was asked for before an error has said otherwise is no answer to that.
func TestAnAnswerOfBeforeADemotionDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.RoleMaxAge, c.Role = time.Second, early
			c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
		}, "b")
		held := acquire(t, c, Want(t.Context(), Primary))
		where(t, c, Primary)
		time.Sleep(5 * time.Second)
		s.host("a").think(300 * time.Millisecond)
		got := make(chan string, 1)
		go func() { got <- where(t, c, Primary) }()
		time.Sleep(100 * time.Millisecond)
		s.host("a").role.Store(int64(Replica))
		held.Report(errBad)
		time.Sleep(250 * time.Millisecond) // the answer has come
		if role := c.Stats().Endpoints[0].Endpoint.Role; role == Primary {
			t.Error("it is the primary again")
		}
		s.host("b").role.Store(int64(Primary))
		if at := <-got; at != "b" {
			t.Errorf("%s was demoted", at)
		}
		held.Release()
	})
}

// What was asked for before the resolver has told of a change is asked again before a
// write.
func TestAnAnswerOfBeforeTheNewsIsNotRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, w := watched(t, func(c *Config[*fakeConn]) { c.Role = early })
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		s.host("a").think(300 * time.Millisecond)
		ctx, cancel := context.WithTimeout(Want(t.Context(), Primary), 50*time.Millisecond)
		_, err := c.Acquire(ctx) // it is asked
		if cancel(); err == nil {
			t.Fatal("it answers at once")
		}
		w.roles(t, Any, Replica)
		w.roles(t, Primary, Replica)
		time.Sleep(time.Second) // the answer has come
		s.host("a").think(0)
		asked := s.host("a").asked.Load()
		if where(t, c, Primary); s.host("a").asked.Load() == asked {
			t.Error("it is not asked again")
		}
	})
}

// aged has what a member has said of its role be so old, by each clock.
func aged(c *Cluster[*fakeConn], i int, awake, wall time.Duration) {
	m := c.members[i]
	said := *m.said.Load()
	said.awake, said.wall = said.awake.Add(-awake), said.wall-int64(wall)
	m.said.Store(&said)
}

// A role is stale after the machine was suspended, when Go's clock has stood still; and
// is not new because the clock on the wall was set back.
func TestARoleAgesWhileTheMachineIsSuspended(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		awake, wall time.Duration
		asks        int64
	}{{0, 0, 0}, {4 * time.Second, 4 * time.Second, 0}, {0, time.Hour, 1}, {0, -time.Hour, 0}, {time.Minute, -time.Hour, 1}} {
		synctest.Test(t, func(t *testing.T) {
			s, c := newRoles(t, new(told), nil, "b")
			where(t, c, Primary)
			synctest.Wait()
			before := s.host("a").asked.Load()
			aged(c, 0, test.awake, test.wall)
			conn, ok := c.TryAcquire(Want(t.Context(), Primary))
			if conn.Release(); ok != (test.asks == 0) {
				t.Errorf("%v and %v old: handed out without a question: %v", test.awake, test.wall, ok)
			}
			where(t, c, Primary)
			if n := s.host("a").asked.Load() - before; n != test.asks {
				t.Errorf("%v and %v old: asked %d times", test.awake, test.wall, n)
			}
		})
	}
}

// An answer may take as long as Role may, and be older than RoleMaxAge then; but if this
// process stood still while it was on its way, it is asked for again.
func TestAnAnswerThatAStandstillMadeOldIsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = 1 }, "b")
		where(t, c, Primary)
		m := c.members[0]
		for _, test := range []struct {
			age    time.Duration
			asked  bool
			recent bool
		}{{time.Second, false, false}, {time.Second, true, true}, {1900 * time.Millisecond, true, true}, {3 * time.Second, true, false}} {
			now := momentNow()
			m.said.Store(&now)
			aged(c, 0, 0, test.age)
			if got := c.recent(m, test.asked); got != test.recent {
				t.Errorf("%v old, asked just now: %v: recent: %v", test.age, test.asked, got)
			}
		}
	})
}

// The longest times that there are are for ever.
func TestTheLongestTimesAreForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const longest = time.Duration(math.MaxInt64)
		e := &endpoints{}
		e.set(nil, "a", "b")
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.Resolve, c.ResolveEvery, c.RoleMaxAge, c.Hold, c.DrainTimeout = e.resolve, longest, longest, longest, longest
			c.SlowStart, c.Ejection.For, c.RoleTimeout = longest, longest, longest
			c.Ejection.Failures = 1
		}, "b")
		where(t, c, Primary)
		synctest.Wait()
		asked := s.host("a").asked.Load()
		conn := acquire(t, c, Want(t.Context(), Replica))
		conn.Report(errBad)
		conn.Release()
		time.Sleep(time.Hour)
		where(t, c, Primary)
		if n := s.host("a").asked.Load() - asked; n != 0 || e.asked() != 1 || states(c)[1] != "ejected" {
			t.Errorf("asked %d times for its role, resolved %d times, %v", n, e.asked(), states(c))
		}
	})
}

// Where nobody can be asked, an error that says what the resolver does not is no outage
// of the service.
func TestTheResolverIsBelievedAgainAfterADemotion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c, w := watched(t, func(c *Config[*fakeConn]) { c.Role = nil })
		fail := func(context.Context, *fakeConn) error { return errBad }
		_ = c.Do(Want(t.Context(), Primary), fail)
		if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at != "a" || took < 5*time.Second || took > 5100*time.Millisecond {
			t.Errorf("it says nothing: %s after %v", at, took)
		}
		_ = c.Do(Want(t.Context(), Primary), fail)
		time.AfterFunc(time.Second, func() { w.roles(t, Replica, Primary) })
		if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at != "b" || took != time.Second {
			t.Errorf("it names another: %s after %v", at, took)
		}
		time.Sleep(time.Minute)
		if at := where(t, c, Primary); at != "b" {
			t.Errorf("%s was replaced", at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		weight := 1.0
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.Resolve = func(context.Context) ([]Endpoint, error) {
				weight++
				return []Endpoint{{Address: "a", Role: Primary, Weight: weight}, {Address: "b", Role: Replica}}, nil
			}
			c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
		})
		ready(t, c)
		time.Sleep(time.Second)
		_ = c.Do(Want(t.Context(), Primary), func(context.Context, *fakeConn) error { return errBad })
		if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at != "a" || took > time.Second {
			t.Errorf("other weights each time: %s after %v", at, took)
		}
	})
}

// Who judges an error is asked once for each.
func TestAnErrorIsJudgedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) {
			c.Demoted = func(error) bool { calls++; return false }
		})
		_ = c.Do(t.Context(), func(context.Context, *fakeConn) error { return errBad })
		conn := acquire(t, c, t.Context())
		conn.Report(errBad)
		conn.Report(nil)
		if calls != 2 {
			t.Errorf("%d times for two errors", calls)
		}
	})
}

// What was opened, and has no role, is closed by the function that closes it.
func TestWhatHasNoRoleIsClosedAsItShould(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.Role = func(context.Context, *fakeConn) (Role, error) { return Any, errBad }
			c.Pool.Close = func(conn *fakeConn) error { closed++; return conn.Close() }
		})
		time.Sleep(100 * time.Millisecond)
		if dials := s.host("a").dialled(); closed != dials || dials == 0 || s.open() != 0 {
			t.Errorf("%d are closed of %d, %d open", closed, dials, s.open())
		}
		c.Close()
	})
}

// The end does not wait for an answer, however long that may take.
func TestTheEndEndsAQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleTimeout, c.RoleMaxAge = time.Hour, time.Second }, "b")
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		s.host("a").hang(true)
		ctx, cancel := context.WithTimeout(Want(t.Context(), Primary), time.Second)
		defer cancel()
		if _, err := c.Acquire(ctx); err == nil {
			t.Error("it does not answer")
		}
		start := time.Now()
		if n, err := c.Shutdown(t.Context()); n != 0 || err != nil || time.Since(start) > lateAfter {
			t.Errorf("%d aborted after %v: %v", n, time.Since(start), err)
		}
	})
}

// A question that hangs is over after RoleTimeout, and the next one may be asked.
func TestAQuestionThatHangsIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = time.Second }, "b")
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		s.host("a").hang(true)
		time.AfterFunc(1500*time.Millisecond, func() { s.host("a").hang(false) })
		if at, took := within(t, c, Want(t.Context(), Primary), time.Minute); at != "a" || took > 3*time.Second {
			t.Errorf("%s after %v", at, took)
		}
	})
}
