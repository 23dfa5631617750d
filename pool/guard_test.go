package pool

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/health"
)

// noReturns are the ways not to return.
var noReturns = map[string]func(){
	"panic":             func() { panic("oops") },
	"panic of an error": func() { panic(errRefused) },
	"panic of nil":      func() { panic(nil) },
	"end of goroutine":  runtime.Goexit,
}

// forNoReturns runs test for each of them, in a bubble. What it gets does not
// return once, and returns afterwards.
func forNoReturns(t *testing.T, test func(t *testing.T, once func())) {
	for name, f := range noReturns {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var done atomic.Bool
				test(t, func() {
					if !done.Swap(true) {
						f()
					}
				})
				if !done.Load() {
					t.Error("it was never called")
				}
			})
		})
	}
}

// mustWork checks that the pool, of one connection at most, has lost nothing.
func mustWork(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
	t.Helper()
	for range 3 {
		acquire(t, p).Release()
	}
	synctest.Wait()
	st := p.Stats()
	if st.Conns != 1 || st.Idle != 1 || st.InUse != 0 || st.Dialing != 0 || st.Waiting != 0 || st.Down {
		t.Errorf("%+v", st)
	}
	places := placesOf(p)
	e.mu.Lock()
	defer e.mu.Unlock()
	if places != 1 || e.unclosed != 1 {
		t.Errorf("%d places are taken, %d connections not closed", places, e.unclosed)
	}
}

// placesOf is how many of MaxConns are taken.
func placesOf(p *Pool[*fakeConn]) int {
	p.dialer.mu.Lock()
	defer p.dialer.mu.Unlock()
	return p.dialer.places
}

// mustBePanic checks that err tells of a panic in the function that is so
// named, and of nothing else.
func mustBePanic(t *testing.T, err error, name string) {
	t.Helper()
	var failed *PanicError
	if !errors.As(err, &failed) || failed.Func != name || !strings.Contains(string(failed.Stack), "guard_test.go") {
		t.Fatalf("%v", err)
	}
	if errors.Is(err, errRefused) || errors.Unwrap(failed) != nil {
		t.Errorf("%v matches what the panic was of", err)
	}
	if !strings.Contains(err.Error(), "pool: "+name+" panicked: ") && !strings.Contains(err.Error(), "pool: "+name+" ended its goroutine") {
		t.Errorf("%v", err)
	}
}

func TestADialThatReturnsNothingIsAnError(t *testing.T) {
	t.Parallel()
	for name, nothing := range map[string]net.Conn{"nil": nil, "a nil pointer": (*fakeConn)(nil), "another nil pointer": (*net.TCPConn)(nil)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				first := true
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.FailFast = 1, true
					c.Dial = func(ctx context.Context) (net.Conn, error) {
						if first {
							first = false
							return nothing, nil
						}
						return e.dial(ctx)
					}
				})
				_, err := p.Acquire(t.Context())
				if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "pool: Dial returned no connection and no error") {
					t.Error(err)
				}
				time.Sleep(time.Second)
				mustWork(t, e, p)
				if st := p.Stats(); st.Dials != 2 || st.DialErrors != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestAPanicInDialOrOpenIsAnErrorOfThatDial(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(c *Config[*fakeConn], e *endpoint, once func()){
		"Dial": func(c *Config[*fakeConn], e *endpoint, once func()) {
			c.Dial = func(ctx context.Context) (net.Conn, error) { once(); return e.dial(ctx) }
		},
		"Open": func(c *Config[*fakeConn], _ *endpoint, once func()) {
			c.Open = func(_ context.Context, conn net.Conn) (*fakeConn, error) { once(); return conn.(*fakeConn), nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.FailFast = 1, true
					set(c, e, once)
				})
				_, err := p.Acquire(t.Context())
				mustBePanic(t, err, name)
				if _, open, _ := e.counts(); open != 0 {
					t.Errorf("%d are left open", open)
				}
				time.Sleep(time.Second)
				mustWork(t, e, p)
				if st := p.Stats(); st.Dials != 2 || st.DialErrors != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestAPanicInCheckIsAnErrorOfThatCheck(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(c *Config[*fakeConn]){
		"of Acquire":     func(c *Config[*fakeConn]) { c.CheckAfter = time.Second },
		"of a heartbeat": func(c *Config[*fakeConn]) { c.Heartbeat = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e := new(endpoint)
				evicted := make(chan error, 1)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns = 1
					c.Check = func(context.Context, *fakeConn) error { once(); return nil }
					c.Observer = &Observer{Evict: func(i EvictInfo) {
						if i.Reason == ReasonSuspect {
							evicted <- i.Err
						}
					}}
					use(c)
				})
				acquire(t, p).Release()
				time.Sleep(2 * time.Second)
				mustWork(t, e, p)
				mustBePanic(t, <-evicted, "Check")
				if n := len(e.all()); n != 2 {
					t.Errorf("%d connections were made", n)
				}
			})
		})
	}
}

func TestAPanicInResetDiscardsTheConnection(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Reset = func(context.Context, *fakeConn) error { once(); return nil }
		})
		c := acquire(t, p)
		c.Value().meter.Fault()
		c.Release()
		synctest.Wait()
		mustWork(t, e, p)
		if st := p.Stats(); st.Recycled[ReasonFault] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAPanicInCloseLosesNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c Conn[*fakeConn]){
		"of one that was closed": Conn[*fakeConn].Close,
		"of one that died":       func(c Conn[*fakeConn]) { c.Value().kill(health.Reset); c.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			forNoReturns(t, func(t *testing.T, once func()) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns = 1
					c.Close = func(c *fakeConn) error { once(); return c.Close() }
				})
				end(acquire(t, p))
				synctest.Wait()
				mustWork(t, e, p)
				p.Close() // which waits for every goroutine
				if _, open, _ := e.counts(); open != 0 {
					t.Errorf("%d are left open", open)
				}
			})
		})
	}
}

// closePanics is a connection whose own Close panics after its work.
type closePanics struct{ *fakeConn }

func (c closePanics) Close() error { c.fakeConn.Close(); panic("oops") }

func TestAPanicInTheConnectionsOwnCloseLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		fails := true
		p := newWrapped(t, e, func(c *fakeConn) closePanics { return closePanics{c} }, func(c *Config[closePanics]) {
			c.MaxConns = 1
			c.Open = func(_ context.Context, conn net.Conn) (closePanics, error) {
				if fails {
					fails = false
					return closePanics{}, errSick
				}
				return conn.(closePanics), nil
			}
		})
		for range 3 {
			acquireWrapped(t, p).Close()
		}
		held := acquireWrapped(t, p)
		p.Close()
		held.Release()
		if e.mu.Lock(); e.unclosed != 0 {
			t.Errorf("%d are not closed", e.unclosed)
		}
		e.mu.Unlock()
	})
}

func TestNoDeadlineIsSetAfterAPanic(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := within(ctx, near, "Check", func() (int, error) { once(); return 0, nil }, nil)
		mustBePanic(t, err, "Check")
		time.Sleep(2 * time.Second)
		go func() { _, _ = far.Write([]byte{1}) }()
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

// badBackoff does not return from what it is asked.
type badBackoff struct{ once func() }

func (b badBackoff) NextBackOff() time.Duration { b.once(); return time.Second }
func (b badBackoff) Reset()                     { b.once() }

func TestAPanicInABackoffStopsNothing(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Backoff = func() backoff.BackOff { return badBackoff{once} }
		})
		outage(t, e, p, time.Minute)
		time.Sleep(time.Minute)
		mustWork(t, e, p)
	})
}
