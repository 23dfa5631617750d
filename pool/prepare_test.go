package pool

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// waysToAcquire are all of them, of one connection.
var waysToAcquire = map[string]func(context.Context, *Pool[*fakeConn]) Conn[*fakeConn]{
	"Acquire": func(ctx context.Context, p *Pool[*fakeConn]) Conn[*fakeConn] { c, _ := p.Acquire(ctx); return c },
	"TryAcquire": func(ctx context.Context, p *Pool[*fakeConn]) Conn[*fakeConn] {
		c, _ := p.TryAcquire(ctx)
		return c
	},
	"AcquireAllIdle": func(ctx context.Context, p *Pool[*fakeConn]) (c Conn[*fakeConn]) {
		for _, c = range p.AcquireAllIdle(ctx) {
		}
		return c
	},
}

func TestEveryConnectionIsPreparedForItsCaller(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, acquire := range waysToAcquire {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var prepared []int
				p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
					c.MinConns = 1
					c.PrepareAcquire = func(ctx context.Context, c *fakeConn) error {
						prepared = append(prepared, c.id*ctx.Value(key{}).(int))
						return nil
					}
				})
				synctest.Wait()
				for i := range 3 {
					c := acquire(context.WithValue(t.Context(), key{}, i+1), p)
					if len(prepared) != i+1 || prepared[i] != i+1 || c.Value() == nil {
						t.Errorf("use %d: prepared %v", i+1, prepared)
					}
					c.Release()
				}
			})
		})
	}
}

func TestWhoHasWaitedGetsAPreparedConnection(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(Conn[*fakeConn]){"Release": Conn[*fakeConn].Release, "Close": Conn[*fakeConn].Close} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var prepared, waits int
				p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
					c.MaxConns = 1
					c.PrepareAcquire = func(context.Context, *fakeConn) error { prepared++; return nil }
					c.Observer = &Observer{AcquireDone: func(context.Context, AcquireDoneInfo) { waits++ }}
				})
				held := acquire(t, p)
				var wg sync.WaitGroup
				wg.Go(func() { acquire(t, p).Release() })
				synctest.Wait()
				if prepared != 1 {
					t.Fatalf("prepared %d times for one who has one", prepared)
				}
				end(held)
				wg.Wait()
				if prepared != 2 || waits != 2 {
					t.Errorf("prepared %d times, %d waits", prepared, waits)
				}
			})
		})
	}
}

func TestAConnectionThatCannotBePreparedIsClosedAndAnotherTaken(t *testing.T) {
	t.Parallel()
	for way, acquire := range waysToAcquire {
		if way == "AcquireAllIdle" {
			continue // it takes what there is
		}
		t.Run(way, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e := new(endpoint)
				var evicted []EvictInfo
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MinConns, c.MaxWaiters = 2, 2, 1
					c.PrepareAcquire = func(context.Context, *fakeConn) error { once(); return nil }
					c.Observer = &Observer{Evict: func(i EvictInfo) {
						if i.Reason == ReasonFault {
							evicted = append(evicted, i)
						}
					}}
				})
				synctest.Wait()
				done := make(chan struct{})
				go func() { // some of them end it
					defer close(done)
					acquire(t.Context(), p).Release()
				}()
				<-done
				time.Sleep(time.Minute)
				if len(evicted) != 1 || !strings.Contains(evicted[0].Detail, "pool: PrepareAcquire ") || !strings.Contains(evicted[0].Detail, "prepare_test.go") || evicted[0].InUse {
					t.Fatalf("%+v", evicted)
				}
				if st := p.Stats(); st.Idle != 2 || st.InUse != 0 || p.callers.inside.Load() != 0 || placesOf(p) != 2 {
					t.Errorf("%+v, %d callers", st, p.callers.inside.Load())
				}
			})
		})
	}
}

func TestAcquireAllIdleLeavesOutWhatCannotBePrepared(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
			c.MinConns, c.MaxWaiters = 4, 1
			c.PrepareAcquire = func(_ context.Context, c *fakeConn) error {
				if c.id == 2 {
					once()
				}
				return nil
			}
		})
		synctest.Wait()
		var all []Conn[*fakeConn]
		done := make(chan struct{})
		go func() {
			defer close(done)
			all = p.AcquireAllIdle(t.Context())
		}()
		<-done
		synctest.Wait()
		if len(all) != 3 && all != nil || p.Stats().InUse != len(all) || p.callers.inside.Load() != int64(len(all)) {
			t.Errorf("%d taken, %+v, %d callers", len(all), p.Stats(), p.callers.inside.Load())
		}
		releaseAll(all)
		if st := p.Stats(); st.Recycled[ReasonFault] != 1 || p.callers.inside.Load() != 0 {
			t.Errorf("%+v, %d callers", st, p.callers.inside.Load())
		}
	})
}

// saysNo is an error that says of itself that something was sent.
type saysNo struct{ error }

func (saysNo) SafeToRetry() bool { return false }
func (e saysNo) Unwrap() error   { return e.error }

func TestAcquireGivesUpWhenMaxConnsAndOneMoreCannotBePrepared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		prepared := 0
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MaxWaiters = 3, 1
			c.PrepareAcquire = func(context.Context, *fakeConn) error { prepared++; return saysNo{errSick} }
		})
		_, err := p.Acquire(t.Context())
		if prepared != 4 || !errors.Is(err, errSick) || !SafeToRetry(err) || err.Error() != "pool: PrepareAcquire: sick" {
			t.Errorf("prepared %d times: %v", prepared, err)
		}
		synctest.Wait()
		if st := p.Stats(); st.Conns != 0 || st.Acquires != 0 || st.Recycled[ReasonFault] != 4 || p.callers.inside.Load() != 0 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		if err := p.Do(t.Context(), func(context.Context, *fakeConn) error { t.Error("ran"); return nil }); !SafeToRetry(err) {
			t.Error(err)
		}
	})
}

func TestACallerWhoLeavesWhileHisConnectionIsPreparedLeavesItLikeAfterADeadline(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"reset": true, "closed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.MaxConns = 1, 1
					c.PrepareAcquire = func(ctx context.Context, _ *fakeConn) error { <-ctx.Done(); return errSick }
					if reset {
						c.Reset = e.wipe
					}
				})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := p.Acquire(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errSick) || !SafeToRetry(err) {
					t.Error(err)
				}
				synctest.Wait()
				if _, wipes := e.asked(); reset != (wipes == 1) || reset == e.all()[0].closed.Load() {
					t.Errorf("%d resets, closed: %v", wipes, e.all()[0].closed.Load())
				}
			})
		})
	}
}

func TestWhatHappensWhileAConnectionIsPreparedIsNotOverlooked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happens func(*Pool[*fakeConn], *fakeConn)
		reason  Reason
	}{
		"it dies":         {func(_ *Pool[*fakeConn], c *fakeConn) { c.kill(health.PeerClosed) }, ReasonDead},
		"it is suspect":   {func(_ *Pool[*fakeConn], c *fakeConn) { c.suspect.Store(true) }, ""},
		"Invalidate":      {func(p *Pool[*fakeConn], _ *fakeConn) { p.Invalidate("") }, ReasonInvalid},
		"Interrupt":       {func(p *Pool[*fakeConn], _ *fakeConn) { p.Interrupt("") }, ReasonInvalid},
		"it closes it":    {func(_ *Pool[*fakeConn], c *fakeConn) { c.die(&health.DeadError{Cause: health.LocalClosed}) }, ReasonClosed},
		"nothing happens": {func(*Pool[*fakeConn], *fakeConn) {}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var p *Pool[*fakeConn]
				p = newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.StableAfter = 2, 1
					c.PrepareAcquire = func(_ context.Context, c *fakeConn) error {
						if c.id == 1 {
							test.happens(p, c)
						}
						return nil
					}
				})
				c := acquire(t, p)
				if got, want := c.Value().id, map[bool]int{true: 1, false: 2}[test.reason == "none"]; got != want {
					t.Errorf("got %d, want %d", got, want)
				}
				c.Release()
				if st := p.Stats(); test.reason != "" && test.reason != "none" && st.Recycled[test.reason] != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestShutdownDoesNotWaitForWhatIsPreparedBeyondItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
			c.PrepareAcquire = func(ctx context.Context, _ *fakeConn) error { time.Sleep(time.Second); return nil }
		})
		go func() {
			time.Sleep(time.Millisecond)
			p.Close()
		}()
		if _, err := p.Acquire(t.Context()); err != ErrClosed {
			t.Error(err)
		}
	})
}

// What PrepareAcquire has sent is no byte of the request, so that Do may send it
// again; and what it leaves unread is no reply for the caller after.
func TestWhatPrepareAcquireSendsIsNoPartOfTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
			c.PrepareAcquire = func(_ context.Context, c *fakeConn) error { return ask(c) }
		})
		runs := 0
		err := p.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
			if runs++; runs == 1 {
				c.kill(health.Reset)
				return ask(c)
			}
			return nil
		})
		if err != nil || runs != 2 {
			t.Errorf("%v after %d runs", err, runs)
		}
		c := acquire(t, p)
		if !c.Untouched() {
			t.Error("touched before its use")
		}
		c.Release()
	})
}

func TestAfterReleaseDecidesAboutEveryRelease(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keep, reset, sick bool
		fault             bool // a deadline passed during the use
		asked, wipes      int
		kept              bool
		detail            string
	}{
		"kept":                          {keep: true, asked: 1, kept: true},
		"not kept":                      {asked: 1, detail: "pool: AfterRelease returned false"},
		"reset":                         {reset: true, asked: 1, wipes: 1, kept: true},
		"cannot be reset":               {reset: true, sick: true, asked: 1, wipes: 1, detail: "sick"},
		"a fault is no question":        {keep: true, fault: true},
		"a fault is reset without it":   {reset: true, fault: true, wipes: 1, kept: true},
		"kept, although Reset is there": {keep: true, reset: true, asked: 1, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				asked, released := 0, 0
				var detail string
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.AfterRelease = func(*fakeConn) bool { asked++; return test.keep }
					if test.reset {
						c.Reset = e.wipe
					}
					c.Observer = &Observer{Evict: func(i EvictInfo) { detail = i.Detail }, Release: func() { released++ }}
				})
				c := acquire(t, p)
				v := c.Value()
				v.sick.Store(test.sick)
				if test.fault {
					v.SetDeadline(netconn.Past)
					_, _ = v.Read(make([]byte, 1))
					v.SetDeadline(time.Time{})
				}
				c.Release()
				c.Release()
				synctest.Wait()
				_, wipes := e.asked()
				if asked != test.asked || wipes != test.wipes || v.closed.Load() == test.kept || detail != test.detail || test.kept != (released == 1) {
					t.Errorf("asked %d times, %d resets, closed: %v, %q, %d releases", asked, wipes, v.closed.Load(), detail, released)
				}
				if st := p.Stats(); st.Idle != released || !test.kept && st.Recycled[ReasonFault] != 1 || st.InUse != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestAnAfterReleaseThatDoesNotReturnLosesNothing(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		e := new(endpoint)
		var told []string
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MaxWaiters = 1, 1
			c.Reset = e.wipe
			c.AfterRelease = func(*fakeConn) bool { once(); return true }
			c.Observer = &Observer{Evict: func(i EvictInfo) {
				if i.Reason == ReasonFault {
					told = append(told, i.Detail)
				}
			}}
		})
		c := acquire(t, p)
		done := make(chan struct{})
		go func() { // some of them end it
			defer close(done)
			c.Release()
		}()
		<-done
		time.Sleep(time.Second)
		mustWork(t, e, p)
		if len(told) != 1 || !strings.Contains(told[0], "pool: AfterRelease ") || !strings.Contains(told[0], "prepare_test.go") || p.callers.inside.Load() != 0 {
			t.Errorf("%q, %d callers", told, p.callers.inside.Load())
		}
		if _, wipes := e.asked(); wipes != 0 {
			t.Errorf("%d resets", wipes)
		}
	})
}

func TestAnAfterReleaseThatIsSetAllocatesNothing(t *testing.T) {
	p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
		c.AfterRelease = func(*fakeConn) bool { return true }
		c.PrepareAcquire = func(context.Context, *fakeConn) error { return nil }
	})
	ctx := t.Context()
	acquire(t, p).Release()
	if n := testing.AllocsPerRun(100, func() {
		c, _ := p.Acquire(ctx)
		c.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
