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

func TestInvalidateHasThePoolDialAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, e *endpoint, p *Pool[*fakeConn])
		failed  bool // a dial had
	}{
		"a dial hangs": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(time.Hour)
			p.Invalidate("before")
			time.Sleep(time.Second)
			e.setDelay(0)
		}, false},
		"the dial of who reconnects hangs": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(time.Hour)
			e.all()[0].kill(health.KeepAliveTimeout)
			time.Sleep(time.Second)
			e.setDelay(0)
		}, false},
		"it pauses": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setRefuse(errRefused)
			e.all()[0].kill(health.KeepAliveTimeout)
			time.Sleep(time.Hour)
			e.setRefuse(nil)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 1 })
				time.Sleep(time.Minute)
				test.prepare(t, e, p)
				start := time.Now()
				p.Invalidate("failover")
				acquire(t, p).Release()
				if took := time.Since(start); took > 2*roundLeast {
					t.Errorf("after %v", took)
				}
				if st := p.Stats(); (st.DialErrors > 0) != test.failed {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestInvalidateEndsThePauseAfterAYoungDeath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.Dial, c.MinConns = hangsUp(e, 2*time.Second), 1 })
		time.Sleep(time.Hour)
		for p.Stats().Conns > 0 {
			time.Sleep(time.Millisecond)
		}
		p.Invalidate("failover")
		time.Sleep(roundLeast)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestManyInvalidationsAreNoDialsInALoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(errRefused)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		time.Sleep(time.Minute)
		before, _, _ := e.counts()
		for range 1000 {
			p.Invalidate("again")
			time.Sleep(time.Millisecond)
		}
		if dials, _, _ := e.counts(); dials-before > 2*int(time.Second/firstPause)+1 {
			t.Errorf("%d dials in a second", dials-before)
		}
	})
}

func TestInterruptAbortsWhatIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var mu sync.Mutex
		var evicted []EvictInfo
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns = 3, 3
			c.Observer = &Observer{Evict: func(i EvictInfo) {
				mu.Lock()
				defer mu.Unlock()
				evicted = append(evicted, i)
			}}
		})
		synctest.Wait()
		read, hijacked := acquire(t, p), acquire(t, p)
		v := read.Value()
		failed := make(chan error)
		go func() {
			_, err := v.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		p.Interrupt("failover")
		if err := <-failed; err == nil || read.Value() != v {
			t.Error("its caller got", err)
		}
		synctest.Wait()
		fresh := acquire(t, p) // there is one place
		if fresh.Value().id <= 3 {
			t.Error("got one of before")
		}
		read.Release()
		if h := hijacked.Hijack(); h == nil || !h.closed.Load() {
			t.Error("what is hijacked afterwards was aborted before")
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		held := 0
		for _, i := range evicted {
			if i.Reason != ReasonInvalid || i.Detail != "failover" {
				t.Errorf("%+v", i)
			}
			if i.InUse {
				held++
			}
		}
		if len(evicted) != 3 || held != 2 || fresh.Value().closed.Load() {
			t.Errorf("%d evicted, %d in use", len(evicted), held)
		}
		fresh.Release()
	})
}

func TestInterruptLeavesAloneWhatIsHijackedOrReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		c, d := acquire(t, p), acquire(t, p)
		v, s := c.Hijack(), d.slot
		p.invalidate("test")
		p.interrupt(c.slot)
		d.Release()
		p.interrupt(s)
		synctest.Wait()
		if v.closed.Load() {
			t.Error("what was hijacked was closed")
		}
		if st := p.Stats(); st.Conns != 0 || st.Recycled[ReasonInvalid] != 1 {
			t.Errorf("%+v", st)
		}
		v.Close()
	})
}

func TestDoRepeatsWhatWasInterruptedBeforeItSentAnything(t *testing.T) {
	t.Parallel()
	for name, sends := range map[string]bool{"nothing was sent": false, "something was": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, nil)
				runs := 0
				err := p.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
					if runs++; runs > 1 {
						return ask(c)
					}
					if sends {
						_ = ask(c)
					}
					p.Interrupt("failover")
					synctest.Wait()
					return errors.Join(errSick, ask(c))
				})
				if (err == nil) == sends || runs > 1 == sends || SafeToRetry(err) {
					t.Errorf("%d runs, %v", runs, err)
				}
			})
		})
	}
}

// What was invalidated is of before: what becomes of it shows nothing of the endpoint.
func TestADeathOfWhatWasInvalidatedIsNoOutage(t *testing.T) {
	t.Parallel()
	for _, cause := range []health.Cause{health.KeepAliveTimeout, health.HeartbeatFailed, health.Reset} {
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.Observer = a.observer() })
				old := acquire(t, p)
				p.Invalidate("failover")
				acquire(t, p).Release()
				old.Value().kill(cause)
				old.Release()
				time.Sleep(time.Second)
				if begun, _ := a.outages(); begun != 0 || len(a.start) != 0 {
					t.Errorf("%d outages, %d reconnects", begun, len(a.start))
				}
				if st := p.Stats(); st.Deaths[cause] != 1 || st.Down {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestInvalidateEndsACheckThatHangs(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]func(t *testing.T, p *Pool[*fakeConn], c Conn[*fakeConn]){
		"of an Acquire": func(t *testing.T, p *Pool[*fakeConn], c Conn[*fakeConn]) {
			c.Release()
			time.Sleep(time.Second)
			go func() {
				c, _ := p.Acquire(t.Context())
				c.Release()
			}()
		},
		"Reset": func(_ *testing.T, _ *Pool[*fakeConn], c Conn[*fakeConn]) {
			c.Value().meter.Fault()
			c.Release()
		},
		"of a heartbeat": func(_ *testing.T, _ *Pool[*fakeConn], c Conn[*fakeConn]) {
			c.Release()
			time.Sleep(4 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.Check, c.Reset, c.CheckTimeout = 1, e.check, e.wipe, time.Minute
					c.CheckAfter, c.Heartbeat = time.Nanosecond, 3*time.Second
				})
				c := acquire(t, p)
				c.Value().hangs.Store(true)
				hang(t, p, c)
				synctest.Wait()
				p.Invalidate("failover")
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				start := time.Now()
				next, err := p.Acquire(ctx)
				if took := time.Since(start); err != nil || took > time.Second && name != "of a heartbeat" {
					t.Errorf("after %v: %v", took, err)
				}
				next.Release()
				if st := p.Stats(); st.Recycled[ReasonInvalid] != 1 || len(st.Deaths) != 0 || st.Outages != 0 || st.Down {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}
