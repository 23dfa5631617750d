package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestShutdownWaitsForThoseInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		closed := 0
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 3
			c.Observer = &Observer{Closed: func() { closed++ }}
		})
		synctest.Wait()
		a, b := acquire(t, p), acquire(t, p)
		time.AfterFunc(time.Minute, a.Release)
		time.AfterFunc(2*time.Minute, b.Release)
		time.AfterFunc(30*time.Second, func() {
			if _, err := p.Acquire(t.Context()); err != ErrClosed {
				t.Errorf("Acquire meanwhile: %v", err)
			}
		})
		start := time.Now()
		aborted, err := p.Shutdown(t.Context())
		if aborted != 0 || err != nil || time.Since(start) != 2*time.Minute || closed != 1 {
			t.Errorf("%d aborted, %v, after %v, %d told", aborted, err, time.Since(start), closed)
		}
		if st := p.Stats(); st.Conns != 0 || st.Recycled[ReasonShutdown] != 3 || e.unclosed != 0 {
			t.Errorf("%+v", st)
		}
		if aborted, err := p.Shutdown(t.Context()); aborted != 0 || err != nil || closed != 1 {
			t.Errorf("again: %d, %v, %d told", aborted, err, closed)
		}
	})
}

func TestShutdownAbortsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var evicted []EvictInfo
		var mu sync.Mutex
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 3
			c.Observer = &Observer{Evict: func(i EvictInfo) {
				mu.Lock()
				defer mu.Unlock()
				evicted = append(evicted, i)
			}}
		})
		synctest.Wait()
		type key struct{}
		a, err := p.Acquire(context.WithValue(t.Context(), key{}, "a"))
		if err != nil {
			t.Fatal(err)
		}
		b, dead := acquire(t, p), acquire(t, p)
		value := a.Value()
		dead.Value().kill(health.Reset)
		blocked := make(chan error)
		go func() {
			_, err := value.Read(make([]byte, 1))
			blocked <- err
		}()
		time.AfterFunc(time.Second, b.Release)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		aborted, err := p.Shutdown(ctx)
		if aborted != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d aborted, %v", aborted, err)
		}
		if err := <-blocked; err == nil || !value.closed.Load() || a.Value() != nil {
			t.Errorf("its user got %v", err)
		}
		a.Release()
		a.Close()
		dead.Release()
		if st := p.Stats(); st.Conns != 0 || st.InUse != 0 || e.unclosed != 0 {
			t.Errorf("%+v", st)
		}
		told := 0
		for _, i := range evicted {
			if i.InUse && i.Reason == ReasonShutdown && i.Context.Value(key{}) == "a" {
				told++
			}
		}
		if len(evicted) != 3 || told != 1 {
			t.Errorf("%+v", evicted)
		}
	})
}

func TestCloseEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, e *endpoint, p *Pool[*fakeConn]){
		"idle":          func(_ *testing.T, _ *endpoint, _ *Pool[*fakeConn]) {},
		"in use":        func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) { acquire(t, p) },
		"during a dial": func(_ *testing.T, e *endpoint, p *Pool[*fakeConn]) { e.setDelay(time.Hour); p.Invalidate("") },
		"during outage": func(_ *testing.T, e *endpoint, p *Pool[*fakeConn]) { e.setRefuse(errRefused); p.Invalidate("") },
		"aside":         func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.all()[0].suspect.Store(true) },
		"during a check": func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.all()[0].hangs.Store(true)
			time.Sleep(29 * time.Second)
		},
		"dead, in use": func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			acquire(t, p).Value().kill(health.KeepAliveTimeout)
		},
		"with waiters": func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(time.Hour)
			for range 8 {
				go func() {
					if c, err := p.Acquire(t.Context()); err != nil && err != ErrClosed {
						t.Error(c, err)
					}
				}()
			}
		},
	} {
		for _, wait := range []time.Duration{0, time.Second} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := new(endpoint)
					p := newPool(t, e, func(c *Config[*fakeConn]) {
						c.MinConns, c.Check, c.Heartbeat = 2, e.check, 30*time.Second
						c.CheckTimeout = 10 * time.Second
					})
					synctest.Wait()
					prepare(t, e, p)
					time.Sleep(wait)
					start := time.Now()
					var wg sync.WaitGroup
					for range 3 {
						wg.Go(p.Close)
					}
					wg.Wait()
					if took := time.Since(start); took != 0 {
						t.Errorf("took %v", took)
					}
					if _, err := p.Acquire(t.Context()); err != ErrClosed || !SafeToRetry(err) {
						t.Errorf("Acquire: %v", err)
					}
					p.Invalidate("after the end")
					synctest.Wait()
					if st := p.Stats(); st.Conns != 0 || st.Waiting != 0 || st.Dialing != 0 || e.unclosed != 0 {
						t.Errorf("%d open, %+v", e.unclosed, st)
					}
				})
			})
		}
	}
}

func TestShutdownRacesWithEverything(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			e := new(endpoint)
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.MaxConns, c.StableAfter = 2, 3, 1 })
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					for {
						c, err := p.Acquire(t.Context())
						if err != nil {
							if err != ErrClosed {
								t.Error(err)
							}
							return
						}
						v := c.Value()
						if v != nil && i == 0 {
							v.kill(health.Reset)
						}
						if v != nil && i == 1 {
							v.suspect.Store(true)
						}
						time.Sleep(time.Nanosecond) // fake time goes on only while all are asleep
						c.Release()
					}
				})
			}
			time.Sleep(time.Microsecond)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = p.Shutdown(ctx)
			wg.Wait()
			if e.unclosed != 0 {
				t.Errorf("%d left open", e.unclosed)
			}
		})
	}
}

func TestNobodyIsPutAsideInAClosedPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		s := p.takeIdle()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			p.Close()
		}()
		synctest.Wait() // it waits for the slot that is ours
		p.maintenance.isolate(s)
		<-closed
	})
}

// A connection that is opened while the pool is closed is closed, and its place given
// back, once. (puddle closes what comes to it too late by itself, but not what comes
// later than that.)
func TestWhatIsOpenedAtTheEndIsClosedOnce(t *testing.T) {
	t.Parallel()
	for range 300 {
		e := &endpoint{}
		var evicted atomic.Int64
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns = 8, 8
			c.Observer = &Observer{Evict: func(EvictInfo) { evicted.Add(1) }}
		})
		for range rand.IntN(200) {
			runtime.Gosched()
		}
		p.Close()
		dials, _, _ := e.counts()
		p.dialer.mu.Lock()
		places := p.dialer.places
		p.dialer.mu.Unlock()
		if places != 0 || e.left() != 0 || evicted.Load() > int64(dials) {
			t.Fatalf("%d places are taken, %d connections left, %d evicted of %d", places, e.left(), evicted.Load(), dials)
		}
	}
}
