package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// load has workers send requests for a time, each of which is answered after it
// has taken so long, and returns the errors.
func load(t *testing.T, p *Pool[*fakeConn], workers int, takes, lasts time.Duration) (requests int, errs []error) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for end := time.Now().Add(lasts); time.Now().Before(end); {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := p.Do(ctx, func(_ context.Context, c *fakeConn) error {
					err := ask(c)
					time.Sleep(takes)
					return err
				})
				cancel()
				mu.Lock()
				if requests++; err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return requests, errs
}

func TestAServerThatIsFullIsNoOutage(t *testing.T) {
	t.Parallel()
	for name, failFast := range map[string]bool{"patient": false, "FailFast": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.allow(3)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.FailFast, c.Observer = 4, failFast, a.observer()
				})
				time.AfterFunc(10*time.Second, func() {
					if st := p.Stats(); !st.Full || st.Down {
						t.Errorf("under load: %+v", st)
					}
				})
				requests, errs := load(t, p, 20, 50*time.Millisecond, 20*time.Second)
				if requests < 3*20*18 || len(errs) > 0 {
					t.Errorf("%d requests, %d errors, such as %v", requests, len(errs), errs[:min(1, len(errs))])
				}
				if begun, _ := a.outages(); begun != 0 {
					t.Errorf("%d outages", begun)
				}
				if n := len(a.done); n < 5 || n > 25 || a.done[0].Outage != 0 || !errors.Is(a.done[0].Err, errFull) {
					t.Errorf("%d reconnects", n) // it is told, and dialled with growing pauses
				}
				time.Sleep(time.Minute)
				if st := p.Stats(); st.Full || st.Down || st.Conns != 3 {
					t.Errorf("once nobody needs another: %+v", st)
				}
			})
		})
	}
}

func TestAServerThatIsNotFullAnyMoreIsDialledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.allow(2)
		p := newPool(t, e, nil)
		time.AfterFunc(10*time.Second, func() { e.allow(4) })
		_, errs := load(t, p, 20, 50*time.Millisecond, 40*time.Second)
		if st := p.Stats(); len(errs) > 0 || st.Conns != 4 || st.Full || st.Outages != 0 {
			t.Errorf("%d errors, %+v", len(errs), st)
		}
	})
}

func TestAnEmptyPoolOfAFullServerIsDialledForAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.allow(2)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 3 })
		_, _ = load(t, p, 20, 50*time.Millisecond, 20*time.Second) // the pauses have grown
		if !p.Stats().Full {
			t.Fatalf("%+v", p.Stats())
		}
		p.Invalidate("test")
		start := time.Now()
		acquire(t, p).Release()
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("after %v", took)
		}
	})
}

// The pauses that have grown since it was full are not those of an outage.
func TestAFullServerThatIsGoneIsDialledAtOnce(t *testing.T) {
	t.Parallel()
	for _, cause := range []health.Cause{health.KeepAliveTimeout, health.HeartbeatFailed, health.Reset, health.PeerClosed} {
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.allow(3)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.Observer = a.observer() })
				time.AfterFunc(10*time.Minute, func() {
					e.setRefuse(errRefused)
					for _, c := range e.all() {
						c.kill(cause)
					}
					time.AfterFunc(100*time.Millisecond, func() { e.setRefuse(nil) })
				})
				_, _ = load(t, p, 20, 50*time.Millisecond, 10*time.Minute+5*time.Second)
				if len(a.ended) != 1 || a.ended[0].Ended.Sub(a.ended[0].Detected) > time.Second {
					t.Errorf("%+v", a.ended)
				}
			})
		})
	}
}

func TestARefusalWithoutAReplySinceIsAnOutage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		use  func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) // after the refusal
		down bool
	}{
		"nobody asks":      {func(*testing.T, *endpoint, *Pool[*fakeConn]) {}, true},
		"a use of no byte": {func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) { acquire(t, p).Release() }, true},
		"a use that fails": {func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			c := acquire(t, p)
			_ = ask(c.Value())
			c.Value().meter.Fault()
			c.Release()
		}, true},
		"a reply": {func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			c := acquire(t, p)
			_ = ask(c.Value())
			c.Release()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.allow(2)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.Observer, c.Reset = 3, a.observer(), e.wipe
				})
				held, other := acquire(t, p), acquire(t, p)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				refused := time.Now()
				if _, err := p.Acquire(ctx); err == nil || errors.Is(err, ErrUnavailable) {
					t.Error(err) // it is not known yet
				}
				other.Release()
				test.use(t, e, p)
				time.Sleep(2 * time.Second)
				if st := p.Stats(); st.Down != test.down {
					t.Errorf("%+v", st)
				}
				if !test.down {
					if len(a.begun) > 0 {
						t.Errorf("%+v", a.begun)
					}
					return
				}
				if len(a.begun) != 1 || !a.begun[0].Began.Equal(refused) || a.begun[0].Detected.Sub(refused) > defaultCheckTimeout+lookEvery {
					t.Fatalf("%+v", a.begun)
				}
				_ = ask(held.Value()) // of before: it does not count
				held.Release()
				c := acquire(t, p)
				_ = ask(c.Value())
				c.Release()
				time.Sleep(2 * lookEvery)
				if st := p.Stats(); len(a.ended) != 1 || !a.ended[0].Healed || st.Down {
					t.Errorf("after a reply: %+v, %+v", a.ended, st)
				}
			})
		})
	}
}

func TestACheckTellsAFullServerFromOneThatIsGone(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"full": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.allow(2)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.Check = 2, e.check
				})
				synctest.Wait()
				for _, c := range e.all() {
					c.hangs.Store(gone)
				}
				p.dialer.mu.Lock()
				p.dialer.minConns = 3 // as if it had fewer a moment ago
				p.dialer.mu.Unlock()
				p.maintenance.wake()
				time.Sleep(3 * time.Second)
				if st := p.Stats(); st.Outages > 0 != gone || st.Deaths[health.HeartbeatFailed] > 0 != gone {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestAnOutageOfASaturatedPoolEndsWhenTheEndpointIsReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var a attempts
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.Observer = 8, 8, a.observer() })
		var back time.Time
		time.AfterFunc(5*time.Second, func() {
			e.setRefuse(errRefused)
			for _, c := range e.all() {
				c.kill(health.KeepAliveTimeout)
			}
		})
		time.AfterFunc(6*time.Second, func() {
			back = time.Now()
			e.setRefuse(nil)
		})
		_, _ = load(t, p, 64, 20*time.Millisecond, 10*time.Second)
		if len(a.begun) != 1 || len(a.ended) != 1 {
			t.Fatalf("begun %+v, ended %+v", a.begun, a.ended)
		}
		reached := time.Duration(0)
		for _, d := range a.done {
			if d.Err == nil {
				reached = a.start[d.Attempt-1].Pause
			}
		}
		if took := a.ended[0].Ended.Sub(back); took > reached+roundLeast || !a.ended[0].Healed {
			t.Errorf("it ended %v after the server was back, and the pause was %v", took, reached)
		}
	})
}

// What died before a dial succeeded was not lost to the outage that begins later.
func TestWhatAnOutageHasLostDiedInIt(t *testing.T) {
	t.Parallel()
	var o outages
	for range 20 {
		o.death(&health.DeadError{Cause: health.PeerClosed, Detected: time.Now()}, time.Time{}, 0)
		o.succeeded()
	}
	for range 3 {
		o.death(&health.DeadError{Cause: health.Reset, Detected: time.Now()}, time.Time{}, 0)
	}
	if !o.failed(errRefused, time.Now(), 0) || o.current.Lost != 3 {
		t.Errorf("%+v", o.current)
	}
}
