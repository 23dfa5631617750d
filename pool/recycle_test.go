package pool

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

var causes = slices.Collect(health.Causes())

func TestADeathIsActedOnWhateverItsCause(t *testing.T) {
	t.Parallel()
	for _, cause := range causes {
		for _, held := range []bool{false, true} {
			t.Run(cause.String()+map[bool]string{true: " in use", false: " idle"}[held], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := new(endpoint)
					var evicted []EvictInfo
					var mu sync.Mutex
					p := newPool(t, e, func(c *Config[*fakeConn]) {
						c.MinConns, c.StableAfter = 2, time.Second
						c.Observer = &Observer{Evict: func(i EvictInfo) {
							mu.Lock()
							defer mu.Unlock()
							evicted = append(evicted, i)
						}}
					})
					time.Sleep(2 * time.Second)
					c := acquire(t, p)
					v := c.Value()
					if !held {
						c.Release()
					}
					v.kill(cause)
					synctest.Wait()
					if !held && !v.closed.Load() {
						t.Error("not closed at once")
					}
					if held && v.closed.Load() {
						t.Error("closed under its user's hands")
					}
					live := acquire(t, p) // without a pause
					if live.Value() == v {
						t.Error("got the dead one")
					}
					live.Release()
					c.Release()
					time.Sleep(100 * time.Millisecond) // for the first attempt after a silence
					synctest.Wait()
					if !v.closed.Load() {
						t.Error("not closed")
					}
					reason, deaths := ReasonDead, int64(1)
					if cause == health.LocalClosed {
						reason, deaths = ReasonClosed, 0
					}
					if st := p.Stats(); st.Idle != 2 || st.Deaths[cause] != deaths || st.Recycled[reason] != 1 || st.Down {
						t.Errorf("%+v", st)
					}
					if len(evicted) != 1 || evicted[0].Reason != reason || evicted[0].Conn != v || (evicted[0].Err != nil) != (deaths > 0) ||
						deaths > 0 && evicted[0].Err.Cause != cause || evicted[0].InUse != held || (evicted[0].Context != nil) != held || evicted[0].Age < 2*time.Second {
						t.Errorf("evicted: %+v", evicted)
					}
				})
			})
		}
	}
}

func TestAnIdleDeathThatIsNoSilenceIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.StableAfter = 3, 3, time.Second })
		time.Sleep(2 * time.Second)
		for _, c := range e.all() {
			c.kill(health.Reset)
		}
		synctest.Wait()
		if st := p.Stats(); st.Idle != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestADeathBySilenceCastsDoubtOnItsSiblings(t *testing.T) {
	t.Parallel()
	for _, cause := range causes {
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.Check = 4, e.check })
				// Two connections to one server, one to another, one in use.
				a, b := acquire(t, p), acquire(t, p)
				e.mu.Lock()
				e.addr = "B"
				e.mu.Unlock()
				other := acquire(t, p)
				e.mu.Lock()
				e.addr = ""
				e.mu.Unlock()
				inUse := acquire(t, p)
				defer inUse.Release()
				dead, sibling, far := a.Value(), b.Value(), other.Value()
				sibling.hangs.Store(true)
				far.hangs.Store(true)
				other.Release()
				b.Release()
				a.Release()
				dead.kill(cause)
				synctest.Wait()
				want := 0
				if cause.Silent() {
					want = 1
				}
				if n, _ := e.asked(); n != want {
					t.Errorf("%d checks, want %d", n, want)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if sibling.closed.Load() != cause.Silent() || far.closed.Load() {
					t.Errorf("sibling closed: %v, other closed: %v", sibling.closed.Load(), far.closed.Load())
				}
			})
		})
	}
}

func TestASiblingThatPassesItsCheckIsHandedOutAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.Check = 2, e.check })
		a, b := acquire(t, p), acquire(t, p)
		sibling := b.Value()
		b.Release()
		a.Value().kill(health.KeepAliveTimeout)
		a.Release()
		synctest.Wait()
		c := acquire(t, p)
		defer c.Release()
		if n, _ := e.asked(); c.Value() != sibling || n != 1 {
			t.Errorf("got %d after %d checks", c.Value().id, n)
		}
	})
}

// infoConn is a fakeConn that the kernel knows something about.
type infoConn struct {
	*fakeConn
	info func() health.Info
}

func (c *infoConn) Info() (health.Info, error) { return c.info(), nil }

func TestWithoutACheckTheKernelIsAskedAboutSiblings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var mu sync.Mutex
		var info health.Info
		looks := 0
		p := newWrapped(t, e, func(c *fakeConn) *infoConn {
			return &infoConn{c, func() health.Info {
				mu.Lock()
				defer mu.Unlock()
				looks++
				return info
			}}
		})
		a, b := acquireWrapped(t, p), acquireWrapped(t, p)
		sibling := b.Value()
		info.Probes = 1
		b.Release()
		a.Value().kill(health.KeepAliveTimeout)
		a.Release()
		synctest.Wait()
		if st := p.Stats(); st.Quarantined != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		if looks < 300 || looks > 1300 { // every lookEvery, and not in a loop
			t.Errorf("%d looks in a minute", looks)
		}
		info.Probes = 0
		mu.Unlock()
		time.Sleep(lookEvery)
		synctest.Wait()
		if st := p.Stats(); st.Quarantined != 0 {
			t.Errorf("%+v", st)
		}
		for range 2 {
			c := acquireWrapped(t, p)
			defer c.Release()
			if c.Value() == sibling {
				return
			}
		}
		t.Error("the sibling that is well was not given back")
	})
}

func TestAConnectionThatDiesOnItsWayToACallerIsReplacedByAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.StableAfter = 2, 1 })
		held := []Conn[*fakeConn]{acquire(t, p), acquire(t, p)}
		got := make(chan Conn[*fakeConn])
		go func() { got <- acquire(t, p) }()
		synctest.Wait()
		v := held[0].Value()
		held[0].Release()
		v.kill(health.Reset)
		c := <-got
		if c.Value().Err() != nil && c.Value().id == v.id {
			t.Log("it died after it was handed out")
		}
		c.Release()
		held[1].Release()
	})
}

func TestAWaiterIsServedThoughTheDialForHimWasForNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(e *endpoint, p *Pool[*fakeConn]){
		"invalidated while it was dialled": func(_ *endpoint, p *Pool[*fakeConn]) { p.Invalidate("failover") },
		"reset right after":                func(e *endpoint, _ *Pool[*fakeConn]) { e.spoil(health.Reset) },
		"silent right after":               func(e *endpoint, _ *Pool[*fakeConn]) { e.spoil(health.KeepAliveTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setDelay(time.Second)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 2 })
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						c := acquire(t, p)
						time.Sleep(time.Millisecond)
						c.Release()
					})
				}
				time.Sleep(500 * time.Millisecond)
				spoil(e, p)
				start := time.Now()
				wg.Wait()
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestInvalidatePartsWithEveryConnectionOfBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		details := map[string]int{}
		var mu sync.Mutex
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 3
			c.Observer = &Observer{Evict: func(i EvictInfo) {
				mu.Lock()
				defer mu.Unlock()
				details[string(i.Reason)+" "+i.Detail]++
			}}
		})
		synctest.Wait()
		inUse, aside := acquire(t, p), acquire(t, p)
		suspect := aside.Value()
		suspect.suspect.Store(true)
		aside.Release()
		p.sweep(p.revalidate)
		old := e.all()
		p.Invalidate("failover")
		synctest.Wait()
		if inUse.Value().closed.Load() {
			t.Error("closed under its user's hands")
		}
		fresh := acquire(t, p)
		if fresh.Value().id <= len(old) {
			t.Error("got an old one")
		}
		fresh.Release()
		inUse.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, c := range old {
			if !c.closed.Load() {
				t.Errorf("%d is still open", c.id)
			}
		}
		if st := p.Stats(); st.Idle != 3 || st.Invalidations != 1 || st.Recycled[ReasonInvalid] != 3 {
			t.Errorf("%+v", st)
		}
		if details["invalid failover"] != 3 {
			t.Errorf("told %v", details)
		}
	})
}

// Drivers close themselves upon an error that they cannot go on after.
func TestATThatClosesItselfUponAFailedCheckIsSuspectAndNotClosed(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(c *Config[*fakeConn]){
		"of Acquire":     func(c *Config[*fakeConn]) { c.CheckAfter = time.Second },
		"of a heartbeat": func(c *Config[*fakeConn]) { c.Heartbeat = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.Check = func(ctx context.Context, c *fakeConn) error {
						err := e.check(ctx, c)
						if err != nil {
							c.kill(health.LocalClosed)
							c.Close()
						}
						return err
					}
					use(c)
				})
				acquire(t, p).Release()
				e.all()[0].sick.Store(true)
				time.Sleep(1500 * time.Millisecond)
				acquire(t, p).Release()
				st := p.Stats()
				if st.Deaths[health.HeartbeatFailed] != 1 || st.Recycled[ReasonSuspect] != 1 || st.Deaths[health.LocalClosed] != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}
