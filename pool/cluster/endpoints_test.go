package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// newMoving is a cluster whose endpoints change.
func newMoving(t *testing.T, o *told, change func(*Config[*fakeConn]), addresses ...string) (*site, *endpoints, *Cluster[*fakeConn]) {
	s, e := newSite(), &endpoints{}
	e.set(nil, addresses...)
	return s, e, newCluster(t, s, func(c *Config[*fakeConn]) {
		c.Resolve, c.ResolveEvery, c.Observer = e.resolve, 5*time.Second, o.observer()
		if change != nil {
			change(c)
		}
	})
}

func names(c *Cluster[*fakeConn]) (all []string) {
	for _, e := range c.Stats().Endpoints {
		all = append(all, e.Endpoint.Address+" "+e.State)
	}
	slices.Sort(all)
	return all
}

func TestEndpointsThatAreGoneDrainAndNewOnesAreUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s, e, c := newMoving(t, o, nil, "a", "b")
		ready(t, c)
		var held []Conn[*fakeConn]
		for range 4 {
			held = append(held, acquire(t, c, t.Context()))
		}
		e.set(nil, "b", "c")
		time.Sleep(10 * time.Second)
		if got := names(c); !slices.Equal(got, []string{"a draining", "b up", "c up"}) {
			t.Error(got)
		}
		for range 20 {
			conn := acquire(t, c, t.Context())
			if conn.Endpoint().Address == "a" {
				t.Error("a is gone")
			}
			conn.Release()
		}
		for _, conn := range held {
			if conn.Value().Err() != nil || conn.Value().closed.Load() {
				t.Error("taken away")
			}
			conn.Release()
		}
		synctest.Wait()
		if got := names(c); !slices.Equal(got, []string{"b up", "c up"}) || s.host("a").open() != 0 {
			t.Errorf("%v, %d open", got, s.host("a").open())
		}
		if n := c.Stats().Total.Acquires; n != 24 {
			t.Errorf("%d acquires are counted of 24", n)
		}
		if len(o.resolutions()) != 2 || addresses(o.resolutions()[1].Added) != "c" || addresses(o.resolutions()[1].Removed) != "a" {
			t.Error(o.resolutions())
		}
	})
}

func TestADrainIsBoundedByItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.DrainTimeout = time.Minute }, "a")
		conn := acquire(t, c, t.Context())
		e.set(nil, "b")
		time.Sleep(50 * time.Second)
		if conn.Value() == nil || conn.Value().closed.Load() {
			t.Error("too early")
		}
		time.Sleep(30 * time.Second)
		if s.host("a").open() != 0 {
			t.Error("it goes on")
		}
		conn.Release()
		if n := c.Stats().InUse; n != 0 {
			t.Errorf("%d places are taken", n)
		}
	})
}

func TestAnEmptyOrFailedAnswerKeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		_, e, c := newMoving(t, o, nil, "a", "b")
		ready(t, c)
		errDNS := errors.New("no answer")
		e.set(errDNS)
		time.Sleep(5 * time.Minute)
		if n := e.asked(); n < 8 || n > 20 {
			t.Errorf("asked %d times in 5 minutes", n)
		}
		e.set(nil)
		time.Sleep(time.Minute)
		e.set(nil, "")
		time.Sleep(time.Minute)
		if got := names(c); !slices.Equal(got, []string{"a up", "b up"}) {
			t.Error(got)
		}
		var failed, empty, wrong bool
		for _, r := range o.resolutions()[1:] {
			failed = failed || r.Err == errDNS
			empty = empty || r.Err == errNoEndpoints
			wrong = wrong || r.Err != nil && r.Err.Error() == `cluster: Endpoint.Address "": must not be empty`
		}
		if !failed || !empty || !wrong {
			t.Errorf("told %v %v %v", failed, empty, wrong)
		}
	})
}

func TestALossHasTheEndpointsResolvedButNotTwiceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.ResolveEvery = -1 }, "a")
		ready(t, c)
		time.Sleep(time.Hour)
		if n := e.asked(); n != 1 {
			t.Fatalf("asked %d times", n)
		}
		for range 20 {
			conn := acquire(t, c, t.Context())
			conn.Value().kill(health.Reset)
			conn.Release()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := e.asked(); n < 3 || n > 4 {
			t.Errorf("asked %d times in 2 s of losses", n)
		}
		_ = s
	})
}

func TestAnotherIDIsAnotherEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), nil, "a")
		acquire(t, c, t.Context()).Release()
		e.mu.Lock()
		e.all = []Endpoint{{Address: "a", ID: "another pod"}}
		e.mu.Unlock()
		time.Sleep(10 * time.Second)
		if n := s.host("a").open(); n != 0 {
			t.Errorf("%d connections to the old one", n)
		}
		acquire(t, c, t.Context()).Release()
	})
}

func TestTheShareOfANewEndpointGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.SlowStart, c.ResolveEvery = 100*time.Second, time.Second }, "a", "b", "c")
		ready(t, c)
		share := func(want float64) {
			t.Helper()
			for _, row := range c.Stats().Endpoints {
				if row.Endpoint.Address == "d" && math.Abs(row.Share-want) > 0.01 {
					t.Errorf("its share is %.3f, want %.3f", row.Share, want)
				}
				if row.Endpoint.Address != "d" && len(c.Stats().Endpoints) == 3 && math.Abs(row.Share-1.0/3) > 0.001 {
					t.Errorf("all are new, and %s has %.2f", row.Endpoint, row.Share)
				}
			}
		}
		share(0)
		e.set(nil, "a", "b", "c", "d")
		for !slices.Contains(names(c), "d up") {
			time.Sleep(100 * time.Millisecond)
		}
		share(0.1 / 3.1)
		const callers = 2000
		picks := func() (n float64) {
			for range callers {
				conn := acquire(t, c, t.Context())
				if conn.Endpoint().Address == "d" {
					n++
				}
				conn.Release()
			}
			return n / callers
		}
		if got := picks(); got < 0.01 || got > 0.06 {
			t.Errorf("of callers it gets %.3f at first", got)
		}
		time.Sleep(50 * time.Second)
		share(0.5 / 3.5)
		if got := picks(); got < 0.1 || got > 0.2 {
			t.Errorf("of callers it gets %.3f at half-time", got)
		}
		time.Sleep(60 * time.Second)
		share(0.25)
	})
}

func TestTheShareOfOneThatWasDownGrowsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b")
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.SlowStart, c.Pool.MinConns = 100*time.Second, 1 })
		ready(t, c)
		time.Sleep(time.Second)
		s.host("a").down(health.KeepAliveTimeout)
		time.Sleep(10 * time.Second)
		s.host("a").up()
		for states(c)[0] != "up" {
			time.Sleep(100 * time.Millisecond)
		}
		for _, want := range []float64{0.1 / 1.1, 0.5 / 1.5, 0.5} {
			if got := c.Stats().Endpoints[0].Share; math.Abs(got-want) > 0.01 {
				t.Errorf("its share is %.3f, want %.3f", got, want)
			}
			time.Sleep(50 * time.Second)
		}
	})
}

func TestSubsetsSpreadAndChangeLittle(t *testing.T) {
	t.Parallel()
	const clients, servers, size = 200, 100, 10
	var all []Endpoint
	for i := range servers {
		all = append(all, Endpoint{Address: fmt.Sprintf("10.0.0.%d:80", i)})
	}
	subsetOf := func(id string, all []Endpoint) map[string]bool {
		c := &Cluster[int]{config: Config[int]{Subset: size, ClientID: id}}
		used := map[string]bool{}
		for _, e := range c.subset(slices.Clone(all)) {
			used[e.Address] = true
		}
		return used
	}
	load := map[string]int{}
	for i := range clients {
		id := fmt.Sprintf("client-%d", i)
		used := subsetOf(id, all)
		if len(used) != size {
			t.Fatalf("%d endpoints", len(used))
		}
		for a := range used {
			load[a]++
		}
		changed := 0
		for a := range subsetOf(id, all[1:]) {
			if !used[a] {
				changed++
			}
		}
		if changed > 1 {
			t.Errorf("one endpoint less changes %d", changed)
		}
	}
	least, most := clients, 0
	for _, n := range load {
		least, most = min(least, n), max(most, n)
	}
	t.Logf("clients of an endpoint: %d to %d, %d on average", least, most, clients*size/servers)
	if len(load) != servers || least < 6 || most > 40 {
		t.Errorf("%d endpoints are used, by %d to %d clients", len(load), least, most)
	}
}

func TestAZoneIsUsedAloneWhileItIsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a1", "a2", "a3", "a4", "b1")
		var all []Endpoint
		for _, a := range []string{"a1", "a2", "a3", "a4", "b1"} {
			all = append(all, Endpoint{Address: a, Zone: a[:1]})
		}
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Zone, c.Pool.MaxConns, c.MaxConns = "a", 3, 15
			c.Resolve = func(context.Context) ([]Endpoint, error) { return all, nil }
		})
		ready(t, c)
		zones := func() map[string]int {
			got := map[string]int{}
			for range 100 {
				conn := acquire(t, c, t.Context())
				got[conn.Endpoint().Zone]++
				conn.Release()
			}
			return got
		}
		if got := zones(); got["b"] != 0 {
			t.Errorf("all are well: %v", got)
		}
		s.host("a1").down(health.KeepAliveTimeout)
		for range 2 * int(nextAfter/time.Millisecond) {
			acquire(t, c, t.Context()).Close()
			if c.Stats().Endpoints[0].State == "down" {
				break
			}
		}
		if got := zones(); got["b"] != 0 {
			t.Errorf("three of four are well: %v", got)
		}
		var held []Conn[*fakeConn]
		for range 12 { // more than a's nine
			held = append(held, acquire(t, c, t.Context()))
		}
		for _, conn := range held {
			conn.Release()
		}
		s.host("a2").down(health.KeepAliveTimeout)
		synctest.Wait()
		if got := zones(); got["b"] < 10 || got["a"] < 10 {
			t.Errorf("two of four are well: %v", got)
		}
	})
}

func TestAHigherPriorityIsUsedOnlyIfTheLowerCannotBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "spare")
		c := newCluster(t, s, func(c *Config[*fakeConn]) {
			c.Resolve = func(context.Context) ([]Endpoint, error) {
				return []Endpoint{{Address: "spare", Priority: 10}, {Address: "a"}, {Address: "b"}}, nil
			}
		})
		used := func() map[string]bool {
			got := map[string]bool{}
			for range 40 {
				got[where(t, c, Any)] = true
			}
			return got
		}
		if got := used(); got["spare"] || len(got) != 2 {
			t.Error(got)
		}
		s.host("a").down(health.KeepAliveTimeout)
		synctest.Wait()
		if got := used(); got["spare"] {
			t.Error(got)
		}
		s.host("b").down(health.KeepAliveTimeout)
		synctest.Wait()
		if got := used(); !got["spare"] || len(got) != 1 {
			t.Error(got)
		}
	})
}

func TestAKeyLeadsToOneEndpointAndFewMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("a", "b", "c", "d")
		c := newCluster(t, s, nil)
		ready(t, c)
		at := func(i int) string {
			conn := acquire(t, c, WithKey(t.Context(), fmt.Sprint("user", i)))
			defer conn.Release()
			return conn.Endpoint().Address
		}
		home, load := map[int]string{}, map[string]int{}
		const keys = 1000
		for i := range keys {
			home[i] = at(i)
			load[home[i]]++
		}
		for name, n := range load {
			if n < keys/4-70 || n > keys/4+70 {
				t.Errorf("%s has %d of %d", name, n, keys)
			}
		}
		s.host("c").down(health.KeepAliveTimeout)
		synctest.Wait()
		for i := range keys {
			switch now := at(i); {
			case home[i] == "c" && now == "c":
				t.Fatal("c is down")
			case home[i] != "c" && now != home[i]:
				t.Fatalf("key %d has moved from %s to %s", i, home[i], now)
			}
		}
	})
}

func TestAKeyThatIsTooHotSpills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b", "c", "d"), nil)
		ready(t, c)
		for range 40 {
			acquire(t, c, WithKey(t.Context(), "hot"))
		}
		for _, e := range c.Stats().Endpoints {
			if e.InUse > 14 {
				t.Errorf("%s has %d of 40", e.Endpoint, e.InUse)
			}
		}
	})
}

func TestTheNearerGetsMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite("near", "far")
		s.host("near").delay = 1 * time.Millisecond
		s.host("far").delay = 4 * time.Millisecond
		c := newCluster(t, s, func(c *Config[*fakeConn]) { c.ByLatency = true })
		acquire(t, c, t.Context())
		for range 10 {
			acquire(t, c, t.Context()) // both are known from then on
		}
		for range 39 {
			acquire(t, c, t.Context())
		}
		rows := c.Stats().Endpoints
		if rows[0].RTT != 4*time.Millisecond || rows[1].RTT != time.Millisecond {
			t.Errorf("%v and %v", rows[0].RTT, rows[1].RTT)
		}
		if near := rows[1].InUse; near < 34 || near > 46 {
			t.Errorf("the near one has %d of 50, want 4 in 5", near)
		}
	})
}

func TestTheNameIsAskedForAsOftenAsIsSaid(t *testing.T) {
	t.Parallel()
	for every, want := range map[time.Duration]int{500 * time.Millisecond: 1000, 2 * time.Second: 500, 10 * time.Second: 100} {
		synctest.Test(t, func(t *testing.T) {
			_, e, _ := newMoving(t, new(told), func(c *Config[*fakeConn]) { c.ResolveEvery = every }, "a")
			time.Sleep(1000 * time.Second)
			if got := e.asked(); got < want*9/10 || got > want*11/10 {
				t.Errorf("each %v: %d times in 1000 s", every, got)
			}
		})
	}
}

func TestAConfigThatIsWrongIsRefusedByName(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Config[*fakeConn]){
		"cluster: Dial nil: a cluster needs a way to connect":                    func(c *Config[*fakeConn]) { c.Dial = nil },
		"cluster: Resolve nil: it or Watch has to say which endpoints there are": func(c *Config[*fakeConn]) { c.Resolve = nil },
		"cluster: MaxConns 0: must be at least 1":                                func(c *Config[*fakeConn]) { c.MaxConns = 0 },
		"cluster: MaxWaiters -1: must not be negative":                           func(c *Config[*fakeConn]) { c.MaxWaiters = -1 },
		"cluster: Pool.MaxConns 9: above MaxConns, 4":                            func(c *Config[*fakeConn]) { c.Pool.MaxConns = 9 },
		"cluster: Pool.Dial set: it is the cluster's affair":                     func(c *Config[*fakeConn]) { c.Pool.Dial = func(context.Context) (net.Conn, error) { return nil, nil } },
		"cluster: Pool.FailFast set: it is the cluster's affair":                 func(c *Config[*fakeConn]) { c.Pool.FailFast = true },
		"cluster: Config.Pool: pool: MinConns 5: above MaxConns, 4":              func(c *Config[*fakeConn]) { c.Pool.MinConns = 5 },
		"cluster: SlowStart -1s: must not be negative":                           func(c *Config[*fakeConn]) { c.SlowStart = -time.Second },
		"cluster: Subset 2: set, and so is Role: the primary may not be in it":   func(c *Config[*fakeConn]) { c.Subset, c.Role = 2, askRole },
		"cluster: Ejection.Slow 1: must be above 1, or 0 for never":              func(c *Config[*fakeConn]) { c.Ejection.Slow = 1 },
		"cluster: Ejection.Part 2: must be from 0 to 1":                          func(c *Config[*fakeConn]) { c.Ejection.Part = 2 },
		"cluster: Ejection.Most 10s: below Ejection.For, 30s":                    func(c *Config[*fakeConn]) { c.Ejection.Most = 10 * time.Second },
		"cluster: Retry.Ratio 1.5: must be at most 1":                            func(c *Config[*fakeConn]) { c.Retry.Ratio = 1.5 },
		"cluster: Watch set: only one of Resolve and Watch can say which endpoints there are": func(c *Config[*fakeConn]) {
			c.Watch = func(context.Context, func([]Endpoint) error) error { return nil }
		},
	} {
		c := Config[*fakeConn]{Resolve: Static("a"), Dial: newSite().dial, MaxConns: 4, Pool: pool.Config[*fakeConn]{Open: openFake}}
		spoil(&c)
		made, err := New(c)
		if err == nil {
			made.Close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for want, e := range map[string]Endpoint{
		"cluster: Endpoint.Weight -1 of a: must be 0, or from 1e-09 to 1e+09":         {Address: "a", Weight: -1},
		"cluster: Endpoint.Weight NaN of a: must be 0, or from 1e-09 to 1e+09":        {Address: "a", Weight: math.NaN()},
		"cluster: Endpoint.Role prefer_replica of a: must be Primary, Replica or Any": {Address: "a", Role: PreferReplica},
	} {
		if _, err := checkAll([]Endpoint{e}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if all, err := checkAll([]Endpoint{{Address: "a"}, {Address: "a", Weight: 2}}); len(all) != 1 || err != nil {
		t.Error(all, err)
	}
}
