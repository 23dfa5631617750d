package pool

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// The tests of MongoDB's Connection Monitoring and Pooling specification, told
// again for this pool. What differs on purpose:
//
//	there                                        here
//	a pool begins paused, until it is ready      it dials at once; what cannot be reached is an outage
//	clear fails those who wait                   they wait for what is dialled anew, but with FailFast during an outage
//	clear pauses the pool                        Invalidate has it dial at once
//	interruptInUseConnections is an option       Interrupt is a method
//	connections carry a generation               an epoch, that of the beginning of the dial
//	an event for each connection that is made    the Observer of the dialer has those; the pool tells of waits and ends
//	a check-out is always told                   one that is served at once is, if Acquired is set
//	waitQueueTimeoutMS                           the caller's ctx
//	maxConnecting is 2                           MaxDials is 4
//	a check-out that cannot connect fails        it waits for another attempt until its ctx ends, but with FailFast
//	a connection that was cleared is closed      so is one that died, when its caller releases it, or at once if idle
//	an error of before the last clear is ignored so is a death of what was invalidated: it begins no outage
//	what is checked in when the pool is closed   the same; Shutdown waits for it, Close aborts it
func TestWhatAnotherPoolsSpecificationAsks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, e *endpoint, log *eventLog){
		"minPoolSize is opened in the background": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 3 })
			synctest.Wait()
			if st := p.Stats(); st.Idle != 3 {
				t.Errorf("%+v", st)
			}
		},
		"a check-out makes a connection, a check-in makes it available": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			c := acquire(t, p)
			v := c.Value()
			c.Release()
			c = acquire(t, p)
			defer c.Release()
			if c.Value() != v {
				t.Error("another")
			}
			log.want(t, "start", "done", "release") // the second did not wait
		},
		"those who wait are served in turn": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
			held := acquire(t, p)
			var mu sync.Mutex
			var order []int
			var wg sync.WaitGroup
			for i := range 5 {
				wg.Go(func() {
					c := acquire(t, p)
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					c.Release()
				})
				synctest.Wait()
			}
			held.Release()
			wg.Wait()
			if !slices.IsSorted(order) || len(order) != 5 {
				t.Errorf("%v", order)
			}
		},
		"a wait ends with its time": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { log.in(c); c.MaxConns = 1 })
			held := acquire(t, p)
			defer held.Release()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			log.want(t, "start", "done", "start", "failed")
		},
		"maxPoolSize holds, those being made included": func(t *testing.T, e *endpoint, log *eventLog) {
			e.setDelay(time.Second)
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 3 })
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { acquire(t, p).Close() })
			}
			wg.Wait()
			if _, _, most := e.counts(); most != 3 {
				t.Errorf("%d were open", most)
			}
		},
		"maxConnecting holds, and what is returned goes first": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxDials = 10, 2 })
			held := acquire(t, p)
			e.setDelay(time.Minute)
			start := time.Now()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { acquire(t, p).Release() })
			}
			time.AfterFunc(time.Second, held.Release)
			wg.Wait()
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.mostDial != 2 || time.Since(start) != time.Second {
				t.Errorf("%d dials at a time, after %v", e.mostDial, time.Since(start))
			}
		},
		"what is stale is closed when it is checked in": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			c := acquire(t, p)
			p.Invalidate("cleared")
			c.Release()
			log.want(t, "start", "done", string(ReasonInvalid))
		},
		"what was idle for too long is not checked out": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { log.in(c); c.MaxConnIdleTime = time.Second })
			acquire(t, p).Release()
			time.Sleep(1500 * time.Millisecond)
			acquire(t, p).Release()
			log.want(t, "start", "done", "release", string(ReasonIdle), "start", "done", "release")
		},
		"clear renews the minimum": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2 })
			synctest.Wait()
			p.Invalidate("cleared")
			time.Sleep(roundLeast)
			synctest.Wait()
			if dials, open, _ := e.counts(); dials != 4 || open != 2 {
				t.Errorf("%d dials, %d open", dials, open)
			}
		},
		"clear interrupts what is pending": func(t *testing.T, e *endpoint, log *eventLog) {
			e.setDelay(time.Hour)
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2 })
			synctest.Wait()
			e.setDelay(0)
			p.Invalidate("cleared")
			synctest.Wait()
			if st := p.Stats(); st.Idle != 2 || st.DialErrors != 0 {
				t.Errorf("%+v", st)
			}
		},
		"clear may interrupt what is in use": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			c := acquire(t, p)
			v := c.Value()
			p.Interrupt("cleared")
			synctest.Wait()
			if !v.closed.Load() {
				t.Error("it is open")
			}
			c.Release()
			log.want(t, "start", "done", string(ReasonInvalid))
		},
		"minPoolSize keeps to maxConnecting": func(t *testing.T, e *endpoint, log *eventLog) {
			e.setDelay(time.Second)
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.MaxDials = 5, 5, 2 })
			time.Sleep(10 * time.Second)
			e.mu.Lock()
			defer e.mu.Unlock()
			if st := p.Stats(); e.mostDial != 2 || st.Idle != 5 {
				t.Errorf("%d dials at a time, %+v", e.mostDial, st)
			}
		},
		"minPoolSize is renewed when one is closed": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2 })
			synctest.Wait()
			acquire(t, p).Close()
			time.Sleep(time.Second)
			if dials, open, _ := e.counts(); dials != 3 || open != 2 {
				t.Errorf("%d dials, %d open", dials, open)
			}
		},
		"a check-out that cannot connect fails with that": func(t *testing.T, e *endpoint, log *eventLog) {
			e.setRefuse(errRefused)
			p := newPool(t, e, log.in)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.Acquire(ctx); !errors.Is(err, errRefused) || !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
			log.want(t, "start", "failed")
		},
		"who leaves the queue takes nobody's turn": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
			held := acquire(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error)
			go func() {
				_, err := p.Acquire(ctx)
				left <- err
			}()
			synctest.Wait()
			got := make(chan Conn[*fakeConn])
			go func() { got <- acquire(t, p) }()
			synctest.Wait()
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			held.Release()
			(<-got).Release()
		},
		"a check-in may be repeated": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			c := acquire(t, p)
			c.Release()
			c.Release()
			c.Close()
			log.want(t, "start", "done", "release")
			if st := p.Stats(); st.Idle != 1 {
				t.Errorf("%+v", st)
			}
		},
		"what died is not checked out, and is told of once": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			c := acquire(t, p)
			v := c.Value()
			v.kill(health.PeerClosed)
			c.Release()
			c = acquire(t, p)
			defer c.Release()
			if c.Value() == v {
				t.Error("the dead one")
			}
			log.want(t, "start", "done", string(ReasonDead), "start", "done")
		},
		"clear does not fail those who wait": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { log.in(c); c.MaxConns = 1 })
			held := acquire(t, p)
			got := make(chan Conn[*fakeConn])
			go func() { got <- acquire(t, p) }()
			synctest.Wait()
			p.Interrupt("cleared")
			held.Release()
			c := <-got
			if c.Value().id != 2 {
				t.Error("the same")
			}
			c.Release()
			log.want(t, "start", "done", "start", string(ReasonInvalid), "done", "release")
		},
		"clear of what is not there does nothing": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			p.Invalidate("cleared")
			p.Interrupt("cleared")
			synctest.Wait()
			if dials, _, _ := e.counts(); dials != 0 {
				t.Errorf("%d dials", dials)
			}
			log.want(t)
		},
		"what is made while the pool is closed is closed": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) {
				c.MinConns = 1
				c.Dial = func(ctx context.Context) (net.Conn, error) {
					conn, err := e.dial(ctx)
					<-ctx.Done() // and brings it all the same
					return conn, err
				}
			})
			synctest.Wait()
			p.Close()
			synctest.Wait()
			if n := e.left(); n != 0 {
				t.Errorf("%d are open", n)
			}
		},
		"a check-out from a closed pool fails": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, log.in)
			acquire(t, p).Release()
			p.Close()
			if _, err := p.Acquire(t.Context()); !errors.Is(err, ErrClosed) || !SafeToRetry(err) {
				t.Error(err)
			}
			if dials, _, _ := e.counts(); dials != 1 {
				t.Errorf("%d dials", dials)
			}
			log.want(t, "start", "done", "release", string(ReasonShutdown), "closed", "start", "failed")
		},
		"close fails those who wait, and closes what is checked in later": func(t *testing.T, e *endpoint, log *eventLog) {
			p := newPool(t, e, func(c *Config[*fakeConn]) { log.in(c); c.MaxConns = 1 })
			held := acquire(t, p)
			failed := make(chan error)
			go func() {
				_, err := p.Acquire(t.Context())
				failed <- err
			}()
			synctest.Wait()
			time.AfterFunc(time.Second, held.Release)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = p.Shutdown(t.Context())
				p.Close() // again
			}()
			if err := <-failed; err != ErrClosed {
				t.Error(err)
			}
			<-done
			log.want(t, "start", "done", "start", "failed", string(ReasonShutdown), "closed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, new(endpoint), new(eventLog)) })
		})
	}
}

// eventLog is what an Observer is told, in order.
type eventLog struct {
	mu     sync.Mutex
	events []string
}

func (l *eventLog) add(event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
}

func (l *eventLog) in(c *Config[*fakeConn]) {
	c.Observer = &Observer{
		AcquireStart: func(ctx context.Context, _ AcquireStartInfo) context.Context { l.add("start"); return ctx },
		AcquireDone: func(_ context.Context, i AcquireDoneInfo) {
			l.add(map[bool]string{true: "done", false: "failed"}[i.Err == nil])
		},
		Release: func() { l.add("release") },
		Evict:   func(i EvictInfo) { l.add(string(i.Reason)) },
		Closed:  func() { l.add("closed") },
	}
}

func (l *eventLog) want(t *testing.T, events ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.events, events) {
		t.Errorf("told of %q, want %q", l.events, events)
	}
}
