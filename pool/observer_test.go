package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestTheObserverIsToldOfEveryWaitOnce(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, e *endpoint, p *Pool[*fakeConn])
		wait    time.Duration
		outage  bool // at the start
		id      uint64
		err     error
		waits   int
	}{
		"none, one is idle": {prepare: func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) { acquire(t, p).Release() }},
		"for a dial": {prepare: func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.setDelay(time.Second) },
			wait: time.Second, waits: 1},
		"for one in use": {prepare: func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			time.AfterFunc(3*time.Second, acquire(t, p).Release)
		}, wait: 3 * time.Second, waits: 1},
		"for the end of an outage that begins": {prepare: func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.setRefuse(errRefused)
			time.AfterFunc(10*time.Second, func() { e.setRefuse(nil) })
		}, wait: 20 * time.Second, id: 1, waits: 1},
		"in vain": {prepare: func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.setDelay(time.Hour) },
			wait: time.Minute, err: context.DeadlineExceeded, waits: 1, id: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var starts []AcquireStartInfo
				var dones []AcquireDoneInfo
				var mu sync.Mutex
				counting := false
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns = 1
					c.Observer = &Observer{
						AcquireStart: func(ctx context.Context, i AcquireStartInfo) context.Context {
							mu.Lock()
							defer mu.Unlock()
							if counting {
								starts = append(starts, i)
							}
							return context.WithValue(ctx, key{}, "span")
						},
						AcquireDone: func(ctx context.Context, i AcquireDoneInfo) {
							mu.Lock()
							defer mu.Unlock()
							if counting {
								dones = append(dones, i)
							}
							if ctx.Value(key{}) != "span" {
								t.Error("another context")
							}
						},
					}
				})
				test.prepare(t, e, p)
				mu.Lock()
				counting = true
				mu.Unlock()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, err := p.Acquire(ctx)
				c.Release()
				if !errors.Is(err, test.err) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(starts) != test.waits || len(dones) != test.waits {
					t.Fatalf("%+v, %+v", starts, dones)
				}
				if test.waits == 0 {
					return
				}
				d := dones[0]
				exact := test.id == 0
				if starts[0].Waiting != 1 || starts[0].Outage || d.Outage != test.id || d.Wait > test.wait || exact && d.Wait != test.wait || !errors.Is(d.Err, test.err) {
					t.Errorf("%+v, %+v", starts[0], d)
				}
			})
		})
	}
}

func TestAWaitInAnOutageIsToldSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var starts []AcquireStartInfo
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 1
			c.Observer = &Observer{AcquireStart: func(ctx context.Context, i AcquireStartInfo) context.Context {
				starts = append(starts, i)
				return ctx
			}}
		})
		e.setRefuse(errRefused)
		time.Sleep(time.Second)
		p.Invalidate("")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Acquire(ctx)
		if len(starts) != 1 || !starts[0].Outage || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%+v, %v", starts, err)
		}
	})
}

func TestAnObserverMayBeEmptyOrMissing(t *testing.T) {
	t.Parallel()
	for _, o := range []*Observer{nil, {}} {
		synctest.Test(t, func(t *testing.T) {
			e := new(endpoint)
			p := newPool(t, e, func(c *Config[*fakeConn]) {
				c.Observer, c.Check, c.Heartbeat, c.MinConns, c.LeakAfter = o, e.check, time.Second, 1, time.Second
			})
			e.setRefuse(errRefused)
			time.Sleep(10 * time.Second)
			e.setRefuse(nil)
			c := acquire(t, p)
			time.Sleep(10 * time.Second)
			c.Release()
			time.Sleep(10 * time.Second)
			e.all()[0].sick.Store(true)
			time.Sleep(10 * time.Second)
		})
	}
}

func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 3 })
		a, b, c := acquire(t, p), acquire(t, p), acquire(t, p)
		b.Value().suspect.Store(true)
		b.Release()
		c.Release()
		for range 5 {
			d := acquire(t, p)
			d.Release()
		}
		go func() { acquire(t, p).Release() }()
		synctest.Wait()
		st := p.Stats()
		if st.MaxConns != 3 || st.Conns != 3 || st.InUse != 1 || st.Idle+st.Quarantined != 2 || st.Acquires != 9 || st.Dials != 3 || st.Down {
			t.Errorf("%+v", st)
		}
		a.Close()
		st = p.Stats()
		if st.Conns != 2 || st.Recycled[ReasonClosed] != 1 {
			t.Errorf("%+v", st)
		}
		st.Recycled[ReasonClosed] = 7 // a snapshot
		if p.Stats().Recycled[ReasonClosed] != 1 {
			t.Error("the counts are shared")
		}
	})
}

func TestADeathIsToldBeforeTheOutageThatBeginsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		tell := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, what)
		}
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.Observer = &Observer{
				Evict:          func(EvictInfo) { time.Sleep(time.Minute); tell("death") },
				OutageBegin:    func(Outage) { tell("outage") },
				ReconnectStart: func(ctx context.Context, _ ReconnectStartInfo) context.Context { tell("reconnect"); return ctx },
			}
		})
		acquire(t, p).Release()
		c := e.all()[0]
		c.mu.Lock()
		c.dead = &health.DeadError{Cause: health.KeepAliveTimeout, Detected: time.Now(), Silence: time.Second, Err: errSick} // and does not call back
		c.mu.Unlock()
		go func() { acquire(t, p).Release() }()
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"death", "outage", "reconnect"}; !slices.Equal(told, want) {
			t.Errorf("told %v", told)
		}
	})
}
