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
