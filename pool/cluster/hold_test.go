package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// A name server that answers with some of the addresses only, others each time.
func TestEndpointsOfAnAnswerThatRotatesAreKept(t *testing.T) {
	t.Parallel()
	for _, hold := range []time.Duration{0, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var all []Endpoint
			for i := range 20 {
				all = append(all, Endpoint{Address: fmt.Sprintf("10.0.0.%d:80", i)})
			}
			s := newSite()
			c := newCluster(t, s, func(c *Config[*fakeConn]) {
				c.Hold, c.ResolveEvery, c.Pool.MinConns = hold, 10*time.Second, 1
				c.Resolve = func(context.Context) (some []Endpoint, _ error) {
					for _, i := range rand.Perm(len(all))[:4] {
						some = append(some, all[i])
					}
					return some, nil
				}
			})
			dials := func() (n int) {
				for _, e := range all {
					n += s.host(e.Address).dialled()
				}
				return n
			}
			time.Sleep(6 * time.Minute)
			before := dials()
			time.Sleep(6 * time.Minute)
			n := len(c.Stats().Endpoints)
			switch churn := dials() - before; {
			case hold == 0 && (churn < 30 || n != 4): // what the other is good for
				t.Errorf("without a hold: %d dials, %d endpoints", churn, n)
			case hold > 0 && (churn > 5 || n < 19):
				t.Errorf("%d dials, %d endpoints", churn, n)
			}
		})
	}
}

func TestAHoldEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hold time.Duration
		then func(s *site)
		gone time.Duration // after which it is
		most time.Duration
	}{
		{0, nil, 0, 3 * time.Second},
		{time.Minute, nil, 55 * time.Second, 62 * time.Second},
		{-1, nil, 5 * time.Minute, 5*time.Minute + time.Second},
		{time.Hour, func(s *site) { s.host("a").down(health.PeerClosed) }, 0, 3 * time.Second},
		{-1, func(s *site) { s.host("a").freeze(5 * time.Second) }, 5 * time.Second, 8 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) {
				c.Hold, c.ResolveEvery, c.Pool.MinConns = test.hold, time.Second, 1
			}, "a", "b")
			ready(t, c)
			time.Sleep(time.Second)
			e.set(nil, "b")
			if test.then != nil {
				test.then(s)
			}
			began := time.Now()
			for slices.Contains(names(c), "a up") && time.Since(began) < test.most {
				time.Sleep(500 * time.Millisecond)
			}
			if took := time.Since(began); took < test.gone || took > test.most {
				t.Errorf("a hold of %v: gone after %v", test.hold, took)
			}
			if stays := test.hold < 0 && test.then == nil; !stays && slices.Contains(names(c), "a up") {
				t.Errorf("a hold of %v does not end", test.hold)
			}
			if test.hold < 0 && test.then == nil && !slices.Equal(names(c), []string{"a up", "b up"}) {
				t.Error(names(c))
			}
		})
	}
}

// Who answers is the one who says, also if no other answer comes.
func TestAHoldEndsWithoutAnotherAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *teller
		o := new(told)
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.Hold, c.Observer, w = time.Minute, o.observer(), tells(c)
		})
		a, b := Endpoint{Address: "a"}, Endpoint{Address: "b"}
		w.tell(t, a, b)
		w.tell(t, b)
		time.Sleep(59 * time.Second)
		if len(names(c)) != 2 || len(o.resolutions()) != 1 {
			t.Error(names(c), o.resolutions())
		}
		time.Sleep(2 * time.Second)
		if len(names(c)) != 1 || len(o.resolutions()) != 2 || addresses(o.resolutions()[1].Removed) != "a" {
			t.Error(names(c), o.resolutions())
		}
		w.tell(t, a, b)
		w.tell(t, b)
		w.tell(t, a, b)
		time.Sleep(time.Hour)
		if len(names(c)) != 2 {
			t.Error("it has returned:", names(c))
		}
	})
}

// A death is no reason to drop an endpoint that was in an answer after it.
func TestADeathOfBeforeEndsNoHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.Hold, c.ResolveEvery = time.Hour, 2*time.Second }, "a", "b")
		for s.host("a").open() == 0 {
			acquire(t, c, t.Context())
		}
		s.host("a").down(health.PeerClosed)
		s.host("a").up()
		time.Sleep(5 * time.Second)
		e.set(nil, "b")
		time.Sleep(10 * time.Second)
		if got := names(c); !slices.Equal(got, []string{"a up", "b up"}) {
			t.Error(got)
		}
	})
}

// What is held is subject to the Subset, and changes no more of it than what is there.
func TestASubsetIsOfAllThatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite(), func(c *Config[*fakeConn]) {
			c.Hold, c.ResolveEvery, c.Subset, c.ClientID = 10*time.Minute, 5*time.Second, 3, "me"
			c.Resolve = func(context.Context) (some []Endpoint, _ error) {
				for _, i := range rand.Perm(12)[:4] {
					some = append(some, Endpoint{Address: fmt.Sprint("host", i)})
				}
				return some, nil
			}
		})
		time.Sleep(5 * time.Minute)
		before := names(c)
		time.Sleep(10 * time.Minute)
		if after := names(c); len(after) != 3 || !slices.Equal(before, after) {
			t.Errorf("%v, and then %v", before, after)
		}
	})
}

// What has an address of before is not held beside it.
func TestAnotherIDEndsAHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *teller
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) { c.Hold, w = time.Hour, tells(c) })
		w.tell(t, Endpoint{Address: "a", ID: "1"}, Endpoint{Address: "b", ID: "1"})
		w.tell(t, Endpoint{Address: "a", ID: "2"})
		synctest.Wait()
		var got []string
		for _, row := range c.Stats().Endpoints {
			got = append(got, row.Endpoint.Address+row.Endpoint.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"a2", "b1"}) {
			t.Error(got)
		}
	})
}

// An endpoint that was never connected to, and cannot be, is not held.
func TestAnOutageEndsAHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.Hold, c.ResolveEvery = time.Hour, time.Second }, "a", "b")
		ready(t, c)
		s.host("a").set(func() { s.host("a").refuse = errRefused })
		e.set(nil, "b")
		time.Sleep(5 * time.Second)
		if !slices.Equal(names(c), []string{"a up", "b up"}) {
			t.Fatal(names(c))
		}
		for range 20 {
			where(t, c, Any)
		}
		time.Sleep(5 * time.Second)
		if !slices.Equal(names(c), []string{"b up"}) {
			t.Error(names(c))
		}
	})
}
