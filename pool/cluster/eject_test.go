package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

var errBad = errors.New("bad")

// bad is a request that fails at some hosts.
func bad(at ...string) func(context.Context, *fakeConn) error {
	return func(_ context.Context, c *fakeConn) error {
		if slices.Contains(at, c.host.name) {
			return errBad
		}
		return nil
	}
}

// newJudged is a cluster in which every error counts.
func newJudged(t *testing.T, o *told, change func(*Config[*fakeConn]), hosts ...string) (*site, *Cluster[*fakeConn]) {
	s := newSite(hosts...)
	return s, newCluster(t, s, func(c *Config[*fakeConn]) {
		c.Ejection.Failed = func(error) bool { return true }
		c.Observer = o.observer()
		if change != nil {
			change(c)
		}
	})
}

// states are those of the endpoints.
func states(c *Cluster[*fakeConn]) (all []string) {
	for _, e := range c.Stats().Endpoints {
		all = append(all, e.State)
	}
	return all
}

func TestAnEndpointThatAnswersBadlyIsLeftAloneForTimesThatGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		_, c := newJudged(t, o, nil, "a", "b", "c")
		ready(t, c)
		for range 100 {
			_ = c.Do(t.Context(), bad("a"))
		}
		if got := states(c); !slices.Equal(got, []string{"ejected", "up", "up"}) {
			t.Fatal(got)
		}
		for range 50 {
			if err := c.Do(t.Context(), bad("a")); err != nil {
				t.Fatal("it is ejected")
			}
		}
		for i, want := range []time.Duration{30 * time.Second, time.Minute, 90 * time.Second} {
			for states(c)[0] != "ejected" {
				_ = c.Do(t.Context(), bad("a"))
			}
			if got := o.ejections()[i]; got.For != want || got.Times != i+1 || got.Why != "failures" || !errors.Is(got.Err, errBad) || got.Endpoint.Address != "a" {
				t.Errorf("%v, want for %v", got, want)
			}
			time.Sleep(want + 10*time.Millisecond)
			if states(c)[0] != "up" {
				t.Error("it is not over")
			}
		}
		time.Sleep(10 * time.Minute)
		for states(c)[0] != "ejected" {
			_ = c.Do(t.Context(), bad("a"))
		}
		if got := o.ejections()[3]; got.Times != 1 {
			t.Errorf("after a long time that was well: %v", got)
		}
		c.Invalidate("I know better")
		if states(c)[0] != "up" {
			t.Error("Invalidate does not end it")
		}
	})
}

func TestOneSuccessEndsARunOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newJudged(t, new(told), nil, "a", "b")
		for range 10 {
			for range 4 {
				conn := acquire(t, c, t.Context())
				conn.Report(errBad)
				conn.Release()
			}
			for range 20 {
				_ = c.Do(t.Context(), bad())
			}
		}
		if got := states(c); slices.Contains(got, "ejected") {
			t.Error(got)
		}
	})
}

func TestAtMostHalfAreEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newJudged(t, new(told), nil, "a", "b", "c", "d")
		for range 1000 {
			_ = c.Do(t.Context(), bad("a", "b", "c", "d"))
		}
		n := 0
		for _, state := range states(c) {
			if state == "ejected" {
				n++
			}
		}
		if n != 2 || c.Stats().Ejections != 2 {
			t.Errorf("%d of 4 are ejected", n)
		}
	})
}

func TestInPanicTheEjectedAreUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s, c := newJudged(t, o, nil, "a", "b", "c", "d")
		for range 200 {
			_ = c.Do(t.Context(), bad("a", "b"))
		}
		s.host("c").down(health.KeepAliveTimeout)
		for c.Stats().Endpoints[2].State != "down" {
			acquire(t, c, t.Context()).Close()
			time.Sleep(time.Millisecond)
		}
		got := map[string]bool{}
		for range 50 {
			got[where(t, c, Any)] = true
		}
		if len(got) != 3 || !c.Stats().Panic || c.Stats().Panics != 1 {
			t.Errorf("%v, %+v", got, c.Stats())
		}
		s.host("c").up()
		time.Sleep(20 * time.Second)
		if panics := o.panicked(); c.Stats().Panic || !slices.Equal(panics, []bool{true, false}) {
			t.Error("it goes on", panics)
		}
	})
}

func TestDeathsUnderARequestCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, nil)
		for range 100 {
			_ = c.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
				if c.host.name == "a" {
					c.wrote()
					return c.die(health.Reset)
				}
				return errBad // the request's own affair
			})
		}
		if got := states(c); !slices.Equal(got, []string{"ejected", "up"}) {
			t.Error(got)
		}
	})
}

func TestTheSlowOneIsEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		_, c := newJudged(t, o, func(c *Config[*fakeConn]) { c.Ejection.Slow = 3 }, "a", "b", "c")
		for range 1000 {
			_ = c.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
				if c.host.name == "b" {
					time.Sleep(80 * time.Millisecond)
				}
				time.Sleep(20 * time.Millisecond)
				return nil
			})
		}
		if len(o.ejections()) == 0 || o.ejections()[0].Why != "slow" || o.ejections()[0].Endpoint.Address != "b" {
			t.Error(o.ejections())
		}
	})
}

func TestRetriesGoToAnotherEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.Ejection.Failures = -1 })
		ready(t, c)
		for range 20 {
			var at []string
			err := c.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
				at = append(at, c.host.name)
				if len(at) == 1 {
					return c.die(health.Reset) // not a byte was written
				}
				return nil
			})
			if err != nil || len(at) != 2 || at[0] == at[1] {
				t.Fatalf("at %v: %v", at, err)
			}
		}
	})
}

func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), nil)
		runs := 0
		fn := func(_ context.Context, c *fakeConn) error {
			runs++
			c.wrote()
			return c.die(health.Reset)
		}
		if err := c.Do(t.Context(), fn); err == nil || pool.SafeToRetry(err) || runs != 1 {
			t.Errorf("%v after %d", err, runs)
		}
		runs = 0
		if err := c.Do(pool.Idempotent(t.Context()), fn); err == nil || pool.SafeToRetry(err) || runs < 2 {
			t.Errorf("%v after %d", err, runs)
		}
	})
}

func TestTheBudgetOfRetriesIsKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		retry    Budget
		want     float64 // sent again, of calls
		atLeast  int64
		perCalls int
	}{
		{Budget{PerSecond: -1}, 0.2, 0, 600},
		{Budget{Ratio: 0.5, PerSecond: -1}, 0.5, 0, 600},
		{Budget{Ratio: -1}, 0, 100, 600},
		{Budget{Ratio: -1, PerSecond: -1}, 0, 0, 600},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) { c.Retry, c.Ejection.Failures = test.retry, -1 })
			for range test.perCalls { // all fail, 100 a second
				_ = c.Do(pool.Idempotent(t.Context()), func(_ context.Context, c *fakeConn) error { return c.die(health.Reset) })
				time.Sleep(10 * time.Millisecond)
			}
			st := c.Stats()
			most := int64(test.want*float64(test.perCalls)) + 2*test.atLeast
			if st.Retries > most || st.Retries < most*4/10 || st.Denied == 0 {
				t.Errorf("%+v: %d of %d were sent again, %d denied", test.retry, st.Retries, test.perCalls, st.Denied)
			}
		})
	}
}

// A minute in which all calls fail, ten seconds in which none does, and then all again,
// twenty a second: what is sent again is never more than the budget of the ten seconds
// before, and nearly that.
func TestABudgetIsSpentAndSavedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, ratio, floor = 20, 0.2, 1
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.Retry, c.Ejection.Failures = Budget{Ratio: ratio, PerSecond: floor}, -1
		})
		var fail bool
		second := func() (again int64) {
			before := c.Stats().Retries
			for range rate {
				_ = c.Do(pool.Idempotent(t.Context()), func(_ context.Context, c *fakeConn) error {
					if fail {
						return c.die(health.Reset)
					}
					return nil
				})
				time.Sleep(time.Second / rate)
			}
			return c.Stats().Retries - before
		}
		ready(t, c)
		time.Sleep(time.Second - time.Since(c.born)%time.Second)
		const most = 10 * (rate*ratio + floor)
		spent := func(seconds int) (all []int64) {
			for range seconds {
				all = append(all, second())
			}
			return all
		}
		check := func(what string, all []int64, least int64) {
			t.Helper()
			sum := int64(0)
			for i := range all {
				ten := int64(0)
				for _, n := range all[max(0, i-9) : i+1] {
					ten += n
				}
				if ten > most {
					t.Errorf("%s: %d again in the ten seconds to %d, the most is %v", what, ten, i+1, most)
				}
				sum += all[i]
			}
			if sum < least {
				t.Errorf("%s: %d again, %v", what, sum, all)
			}
		}
		fail = true
		check("at first", spent(60), 6*most-40)
		fail = false
		check("all is well", spent(10), 0)
		fail = true
		check("again", spent(10), most-5)
		if st := c.Stats(); st.Denied == 0 {
			t.Error("none was denied")
		}
	})
}

func TestAPanicOfARequestLosesNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a"), func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		for range 3 {
			func() {
				defer func() { _ = recover() }()
				_ = c.Do(t.Context(), func(context.Context, *fakeConn) error { panic("oops") })
			}()
		}
		acquire(t, c, t.Context()).Release()
	})
}

// The first ejection is as long as For, and none longer than Most, whatever part of Most
// For is.
func TestEjectionsGrowToTheMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		_, c := newJudged(t, o, func(c *Config[*fakeConn]) {
			c.Ejection.For, c.Ejection.Most, c.Ejection.Failures = 40*time.Second, 100*time.Second, 1
		}, "a", "b", "c")
		for i, want := range []time.Duration{40 * time.Second, 80 * time.Second, 100 * time.Second, 100 * time.Second} {
			for len(o.ejections()) == i {
				_ = c.Do(t.Context(), bad("a"))
			}
			if got := o.ejections()[i].For; got != want {
				t.Errorf("the ejection %d is for %v, want %v", i+1, got, want)
			}
			time.Sleep(want)
		}
	})
}

// What is not the endpoint's fault ejects nobody: what comes after the caller has gone,
// what says "read-only", what nobody counts.
func TestWhatIsNotItsFaultEjectsNobody(t *testing.T) {
	t.Parallel()
	errOther := errors.New("other")
	for name, test := range map[string]struct {
		change func(*Config[*fakeConn])
		err    error
		cancel bool
	}{
		"the caller has gone":    {nil, errBad, true},
		"it says read-only":      {nil, errOther, false},
		"ejection is off":        {func(c *Config[*fakeConn]) { c.Ejection.Failures = -1 }, errBad, false},
		"the judge says no":      {func(c *Config[*fakeConn]) { c.Ejection.Failed = func(error) bool { return false } }, errBad, false},
		"a death that he wanted": {func(c *Config[*fakeConn]) { c.Ejection.Failed = nil }, errors.Join(&health.DeadError{Cause: health.Reset}, context.Canceled), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, c := newJudged(t, new(told), func(c *Config[*fakeConn]) {
				c.Demoted = func(err error) bool { return errors.Is(err, errOther) }
				if test.change != nil {
					test.change(c)
				}
			}, "a", "b", "c")
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				_ = c.Do(ctx, func(context.Context, *fakeConn) error {
					if test.cancel {
						cancel()
					}
					return test.err
				})
				cancel()
			}
			if n := c.Stats().Ejections; n != 0 {
				t.Errorf("%s: %d ejections", name, n)
			}
		})
	}
}

// Who is slow is told by comparison, which takes three endpoints and twenty calls at each.
func TestWhoIsSlowIsToldByComparison(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		took  map[string]time.Duration
		calls int
		want  int64
	}{
		"one of three is slow":    {map[string]time.Duration{"a": 1, "b": 1, "c": 9}, 40, 1},
		"two of three are slow":   {map[string]time.Duration{"a": 1, "b": 9, "c": 9}, 40, 0},
		"there are two only":      {map[string]time.Duration{"a": 1, "b": 9}, 40, 0},
		"there were a few calls":  {map[string]time.Duration{"a": 1, "b": 1, "c": 9}, 10, 0},
		"it is not slow enough":   {map[string]time.Duration{"a": 2, "b": 2, "c": 5}, 40, 0},
		"a few calls of the slow": {map[string]time.Duration{"a": 1, "b": 1, "c": 1, "d": 9}, -40, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var names []string
			for name := range test.took {
				names = append(names, name)
			}
			_, c := newJudged(t, new(told), func(c *Config[*fakeConn]) { c.Ejection.Slow = 3 }, names...)
			ready(t, c)
			for _, m := range c.members {
				calls := max(test.calls, -test.calls)
				if test.calls < 0 && m.endpoint().Address == "d" {
					calls = 10
				}
				for range calls {
					c.praise(m, test.took[m.endpoint().Address]*time.Millisecond)
				}
			}
			time.Sleep(15 * time.Second)
			if n := c.Stats().Ejections; n != test.want {
				t.Errorf("%s: %d ejections", name, n)
			}
		})
	}
}

// A request is run MaxConns+1 times at most, however large the budget is.
func TestARequestIsNotRunForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.MaxConns, c.Retry.PerSecond, c.Ejection.Failures = 3, 1000, -1
		})
		runs := 0
		err := c.Do(pool.Idempotent(t.Context()), func(_ context.Context, c *fakeConn) error {
			runs++
			return c.die(health.Reset)
		})
		if err == nil || runs != 4 {
			t.Errorf("run %d times: %v", runs, err)
		}
	})
}

// A request that was sent once is not safe to send again because no endpoint is left to
// send it to.
func TestWhatWasSentBeforeIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, nil)
		ctx, cancel := context.WithTimeout(pool.Idempotent(t.Context()), time.Second)
		defer cancel()
		err := c.Do(ctx, func(_ context.Context, c *fakeConn) error {
			c.wrote()
			for _, h := range s.hosts {
				h.down(health.Reset)
			}
			c.meter.Fault()
			return c.Err()
		})
		if !errors.Is(err, pool.ErrUnavailable) || pool.SafeToRetry(err) {
			t.Errorf("safe: %v: %v", pool.SafeToRetry(err), err)
		}
	})
}
