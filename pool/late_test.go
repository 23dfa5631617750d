package pool

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lateOnes has the test wait for functions that went on, once the pool of it is
// closed, and checks that nothing is left open. To be called before newPool.
func lateOnes(t *testing.T, e *endpoint) {
	t.Cleanup(func() {
		time.Sleep(100 * time.Hour)
		if n := e.left(); n != 0 {
			t.Errorf("%d are left open", n)
		}
	})
}

func TestADialThatDoesNotListenIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		lateOnes(t, e)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 1
			c.Dial = func(context.Context) (net.Conn, error) {
				time.Sleep(time.Minute)
				return e.dial(context.Background())
			}
		})
		synctest.Wait()
		start := time.Now()
		p.Close()
		if took := time.Since(start); took > lateAfter {
			t.Errorf("Close took %v", took)
		}
		time.Sleep(2 * time.Minute)
		if dials, _, _ := e.counts(); e.left() != 0 || dials != 1 {
			t.Errorf("%d left open of %d", e.left(), dials)
		}
	})
}

func TestDialsThatDoNotListenDoNotStopDialling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		lateOnes(t, e)
		var hears atomic.Bool
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 4
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				if !hears.Load() {
					time.Sleep(time.Hour)
				}
				return e.dial(ctx)
			}
		})
		time.Sleep(time.Second)
		hears.Store(true)
		time.Sleep(defaultDialTimeout + lateAfter)
		acquire(t, p).Release()
		if st := p.Stats(); st.DialErrors != 4 || st.Down {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhatOpenReturnsTooLateIsClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takes time.Duration
		err   error
	}{
		"in time":            {time.Second, nil},
		"just after":         {defaultDialTimeout + lateAfter/2, context.DeadlineExceeded},
		"when it was left":   {time.Minute, errLate},
		"with its own error": {defaultDialTimeout + lateAfter/2, errSick},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				lateOnes(t, e)
				var closed atomic.Int32
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.FailFast = true
					c.Open = func(_ context.Context, conn net.Conn) (*fakeConn, error) {
						time.Sleep(test.takes)
						if test.err == errSick {
							return nil, errSick
						}
						return conn.(*fakeConn), nil
					}
					c.Close = func(c *fakeConn) error {
						closed.Add(1)
						return c.Close()
					}
				})
				c, err := p.Acquire(t.Context())
				if !errors.Is(err, test.err) {
					t.Errorf("%v", err)
				}
				c.Release()
				p.Close()
				time.Sleep(time.Hour)
				made := len(e.all())
				if test.err == errSick {
					made = 0
				}
				if n := int(closed.Load()); n != made {
					t.Errorf("%d closed of %d", n, made)
				}
			})
		})
	}
}

// The value that Open has made of a dial that was interrupted just then.
func TestTheCloseOfWhatOpenReturnsTooLateKeepsNoDialForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		lateOnes(t, e)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Open = func(_ context.Context, conn net.Conn) (*fakeConn, error) {
				time.Sleep(time.Second)
				return conn.(*fakeConn), nil
			}
			c.Close = func(c *fakeConn) error {
				if c.id == 1 {
					time.Sleep(time.Hour)
				}
				return c.Close()
			}
		})
		time.AfterFunc(500*time.Millisecond, func() { p.Invalidate("test") })
		start := time.Now()
		acquire(t, p).Release()
		if took := time.Since(start); took > defaultCloseTimeout+2*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestACheckThatDoesNotListenLosesNoPlace(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(c *Config[*fakeConn], deaf func()){
		"Check": func(c *Config[*fakeConn], deaf func()) {
			c.CheckAfter = time.Nanosecond
			c.Check = func(context.Context, *fakeConn) error { deaf(); return nil }
		},
		"heartbeat": func(c *Config[*fakeConn], deaf func()) {
			c.Heartbeat = time.Second
			c.Check = func(context.Context, *fakeConn) error { deaf(); return nil }
		},
		"Reset": func(c *Config[*fakeConn], deaf func()) {
			c.Reset = func(context.Context, *fakeConn) error { deaf(); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				lateOnes(t, e)
				var later atomic.Bool
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns = 1
					use(c, func() {
						if !later.Swap(true) {
							time.Sleep(time.Hour)
						}
					})
				})
				c := acquire(t, p)
				c.Value().meter.Fault()
				c.Release()
				time.Sleep(2 * time.Second)
				start := time.Now()
				acquire(t, p).Release()
				if took := time.Since(start); took > defaultCheckTimeout+lateAfter {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, p *Pool[*fakeConn])
		change  func(c *Config[*fakeConn])
		longer  time.Duration
	}{
		"idle ones, and Close is slow": {func(*testing.T, *Pool[*fakeConn]) {}, func(c *Config[*fakeConn]) {
			c.CloseTimeout = time.Hour
			c.Close = func(c *fakeConn) error { time.Sleep(15 * time.Minute); return c.Close() }
		}, 0},
		"one in use": {func(t *testing.T, p *Pool[*fakeConn]) { acquire(t, p) }, func(*Config[*fakeConn]) {}, 0},
		"a Reset that does not listen": {func(t *testing.T, p *Pool[*fakeConn]) {
			c := acquire(t, p)
			c.Value().meter.Fault()
			c.Release()
		}, func(c *Config[*fakeConn]) {
			c.Reset = func(context.Context, *fakeConn) error { time.Sleep(15 * time.Minute); return nil }
		}, 0},
		"an AfterRelease that does not return": {func(t *testing.T, p *Pool[*fakeConn]) {
			go acquire(t, p).Release()
			synctest.Wait()
		}, func(c *Config[*fakeConn]) {
			c.AfterRelease = func(*fakeConn) bool { time.Sleep(15 * time.Minute); return true }
		}, 0},
		"a heartbeat that does not listen": {func(*testing.T, *Pool[*fakeConn]) { time.Sleep(2 * time.Second) }, func(c *Config[*fakeConn]) {
			c.Heartbeat = time.Second
			c.Check = func(context.Context, *fakeConn) error { time.Sleep(15 * time.Minute); return nil }
		}, lateAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				lateOnes(t, e)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2; test.change(c) })
				synctest.Wait()
				test.prepare(t, p)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, _ = p.Shutdown(ctx)
				if took := time.Since(start); took > time.Second+abortedAfter+test.longer {
					t.Errorf("took %v", took)
				}
				if n := e.left(); n != 0 {
					t.Errorf("%d are open", n)
				}
			})
		})
	}
}

func TestCloseWaitsForCloseUpToItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		lateOnes(t, e)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 4
			c.Close = func(c *fakeConn) error {
				time.Sleep(time.Duration(c.id*c.id) * time.Second) // the third takes 9 s, the fourth 16
				return c.Close()
			}
		})
		synctest.Wait()
		start := time.Now()
		p.Close()
		if took := time.Since(start); took != defaultCloseTimeout+abortedAfter || e.left() != 0 {
			t.Errorf("took %v, %d are open", took, e.left())
		}
	})
}
