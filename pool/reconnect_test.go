package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/health"
)

// attempts collects what the Observer is told of reconnects.
type attempts struct {
	mu    sync.Mutex
	start []ReconnectStartInfo
	done  []ReconnectDoneInfo
	begun []Outage
	ended []Outage
}

func (a *attempts) observer() *Observer {
	return &Observer{
		ReconnectStart: func(ctx context.Context, i ReconnectStartInfo) context.Context {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.start = append(a.start, i)
			return ctx
		},
		ReconnectDone: func(_ context.Context, i ReconnectDoneInfo) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.done = append(a.done, i)
		},
		OutageBegin: func(o Outage) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.begun = append(a.begun, o)
		},
		OutageEnd: func(o Outage) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.ended = append(a.ended, o)
		},
	}
}

func (a *attempts) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.start, a.done = nil, nil
}

func TestThePoolNeverStopsReconnecting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(errRefused)
		var a attempts
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 1, a.observer() })
		time.Sleep(24 * time.Hour) // far beyond a quarter of an hour
		e.setRefuse(nil)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Down {
			t.Fatalf("%+v", st)
		}
		short := 0
		for i, s := range a.start {
			if s.Attempt != i+1 || s.Outage != 1 {
				t.Fatalf("%+v", s)
			}
			nominal := 50 * time.Millisecond
			for range i {
				nominal = min(nominal*3/2, 15*time.Second)
			}
			if s.Pause < nominal/2-time.Millisecond || s.Pause > nominal*3/2+time.Millisecond {
				t.Fatalf("pause %d is %v, around %v", i+1, s.Pause, nominal)
			}
			if s.Pause < nominal {
				short++
			}
		}
		n := len(a.start)
		if n < 24*3600/16 || short < n/3 || short > n*2/3 {
			t.Errorf("%d attempts, %d of them early", n, short)
		}
		if len(a.done) != n || a.done[n-1].Err != nil || !errors.Is(a.done[0].Err, errRefused) {
			t.Errorf("%d done", len(a.done))
		}
		if len(a.begun) != 1 || len(a.ended) != 1 || a.ended[0].Attempts != n+1 {
			t.Errorf("%d begun, %d ended, %+v", len(a.begun), len(a.ended), a.ended)
		}
	})
}

func TestABackoffThatSaysStopIsAskedForNoMore(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]func() backoff.BackOff{
		"at once":         func() backoff.BackOff { return &backoff.StopBackOff{} },
		"after 2 retries": func() backoff.BackOff { return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setRefuse(errRefused)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Backoff = 1, b })
				time.Sleep(time.Minute)
				if dials, _, _ := e.counts(); dials < 50 || dials > 1300 {
					t.Errorf("%d dials in a minute", dials)
				}
				e.setRefuse(nil)
				time.Sleep(2 * time.Second)
				if st := p.Stats(); st.Idle != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestOneDialsWhileTheEndpointIsDownAndAllWaitForHim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(errRefused)
		e.setDelay(10 * time.Millisecond)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns = 8, 4 })
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				c := acquire(t, p)
				time.Sleep(time.Millisecond)
				c.Release()
			})
		}
		time.Sleep(time.Second)
		e.mu.Lock()
		e.mostDial = e.dialing
		e.mu.Unlock()
		time.Sleep(time.Minute)
		e.mu.Lock()
		if e.mostDial > 1 {
			t.Errorf("%d dials at a time", e.mostDial)
		}
		e.mostDial = 0
		e.mu.Unlock()
		e.setRefuse(nil)
		wg.Wait()
		time.Sleep(time.Minute)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.mostDial > defaultMaxDials || e.mostDial < 2 || e.mostOpen > 8 {
			t.Errorf("%d dials at a time, %d open", e.mostDial, e.mostOpen)
		}
	})
}

func TestNeverMoreThanMaxDialsAtATime(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setDelay(time.Second)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.MinConns, c.MinIdleConns, c.MaxDials, c.StableAfter = 10, 5, 2, n, 1
				})
				var wg sync.WaitGroup
				for range 30 {
					wg.Go(func() {
						for range 5 {
							c := acquire(t, p)
							time.Sleep(300 * time.Millisecond)
							c.Value().kill(health.KeepAliveTimeout) // starts a leader beside the dials
							c.Release()
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Minute)
				synctest.Wait()
				e.mu.Lock()
				defer e.mu.Unlock()
				if e.mostDial != n || e.mostOpen > 10 {
					t.Errorf("%d dials at a time, %d open", e.mostDial, e.mostOpen)
				}
				if st := p.Stats(); st.Dials != int64(e.dials) {
					t.Errorf("%d dials counted of %d", st.Dials, e.dials)
				}
			})
		})
	}
}

func TestADialThatSucceedsBesideTheLeaderEndsHisWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		first := true
		p, err := New(Config[*fakeConn]{
			Dial: func(ctx context.Context) (net.Conn, error) {
				e.mu.Lock()
				fails := first
				first = false
				e.mu.Unlock()
				if fails {
					time.Sleep(time.Second)
					return nil, errRefused
				}
				time.Sleep(2 * time.Second)
				return e.dial(ctx)
			},
			Open:     func(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil },
			MaxConns: 2,
			Backoff:  func() backoff.BackOff { return backoff.NewConstantBackOff(time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer time.Sleep(time.Minute) // for a dial under way, which does not listen
		defer p.Close()
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				c := acquire(t, p)
				time.Sleep(time.Millisecond)
				c.Release()
			})
		}
		wg.Wait()
		synctest.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if st := p.Stats(); st.Down {
			t.Errorf("%+v", st)
		}
	})
}

func TestPausesGrowOnUntilAConnectionProvedStable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lives time.Duration
		reset bool
	}{
		"it dies too soon":   {5 * time.Second, false},
		"it lives":           {11 * time.Second, true},
		"it lives for hours": {5 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setRefuse(errRefused)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 1, a.observer() })
				time.Sleep(time.Hour)
				e.setRefuse(nil)
				for p.Stats().Idle == 0 {
					time.Sleep(time.Millisecond)
				}
				a.reset()
				e.setRefuse(errRefused)
				time.Sleep(test.lives)
				e.all()[0].kill(health.Reset)
				time.Sleep(time.Minute)
				a.mu.Lock()
				defer a.mu.Unlock()
				if len(a.start) == 0 || (a.start[0].Pause < time.Second) != test.reset {
					t.Errorf("%+v", a.start)
				}
			})
		})
	}
}

func TestAPoolThatKeepsDiallingBeginsWithTheShortestPause(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(c Conn[*fakeConn]){
		"closed":     Conn[*fakeConn].Close,
		"died young": func(c Conn[*fakeConn]) { c.Value().kill(health.Reset); c.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, nil)
				outage(t, e, p, time.Hour) // after which the pauses are the longest
				for range 720 {
					time.Sleep(5 * time.Second) // sooner than StableAfter
					use(acquire(t, p))
				}
				start := time.Now()
				outage(t, e, p, 0)
				if took := time.Since(start); took > time.Second {
					t.Errorf("one dial failed, and the next came %v later", took)
				}
			})
		})
	}
}

// outage has a caller wait from a dial that fails to the first that succeeds,
// after at least d.
func outage(t *testing.T, e *endpoint, p *Pool[*fakeConn], d time.Duration) {
	t.Helper()
	e.setRefuse(errRefused)
	got := make(chan Conn[*fakeConn])
	go func() {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	time.Sleep(d)
	synctest.Wait()
	e.setRefuse(nil)
	(<-got).Close()
}

func TestNoConnectionProvedStableByItsAbsence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(errRefused)
		var a attempts
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.Observer = a.observer() })
		waiter := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			c, err := p.Acquire(ctx)
			c.Close()
			return err
		}
		if err := waiter(time.Hour); err == nil {
			t.Fatal("connected")
		}
		e.setRefuse(nil)
		c := acquire(t, p)
		c.Value().kill(health.Reset) // young
		c.Release()
		e.setRefuse(errRefused)
		time.Sleep(time.Hour)
		a.reset()
		_ = waiter(time.Minute)
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.start) == 0 || a.start[0].Pause < time.Second {
			t.Errorf("%+v", a.start)
		}
	})
}

func TestAYoungConnectionThatIsResetIsNotRedialledInALoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2 })
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			synctest.Wait()
			for _, c := range e.all() {
				if !c.closed.Load() {
					c.kill(health.Reset)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if dials, _, _ := e.counts(); dials > 60 {
			t.Errorf("%d dials in a minute", dials)
		}
		if st := p.Stats(); st.Outages != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// hangsUp makes what is dialled by e end after d: by its server, in good order
// or by a reset.
func hangsUp(e *endpoint, d time.Duration) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := e.dial(ctx)
		if err != nil {
			return nil, err
		}
		c := conn.(*fakeConn)
		time.AfterFunc(d, func() { c.kill([]health.Cause{health.PeerClosed, health.Reset}[c.id%2]) })
		return c, nil
	}
}

func TestAServerThatHangsUpSoonIsNotDown(t *testing.T) {
	t.Parallel()
	for _, lives := range []time.Duration{1500 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		t.Run(lives.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.Dial, c.MinConns, c.Observer = hangsUp(e, lives), 1, a.observer()
				})
				for range 120 {
					time.Sleep(500 * time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					c, err := p.Acquire(ctx)
					if err != nil {
						t.Error(err)
					}
					c.Release()
					cancel()
					if p.Stats().Down {
						t.Fatal("it is down")
					}
				}
				if begun, _ := a.outages(); begun != 0 || len(a.start) != 0 {
					t.Errorf("%d outages, %d reconnects", begun, len(a.start))
				}
				if dials, _, _ := e.counts(); dials > 50 {
					t.Errorf("%d dials in a minute", dials)
				}
			})
		})
	}
}

func TestTheBackgroundReplacesWhatDiesYoungAfterGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.Dial, c.MinConns = hangsUp(e, 2*time.Second), 1 })
		time.Sleep(time.Hour)
		dials, _, _ := e.counts()
		if dials < 3600/25 || dials > 3600/8 {
			t.Errorf("%d dials in an hour", dials)
		}
		acquire(t, p).Release() // whatever the pause
		time.Sleep(time.Minute)
		if after, _, _ := e.counts(); after > dials+15 {
			t.Errorf("%d dials after one for a caller", after-dials)
		}
	})
}

func TestACallerIsNotDialledForInALoopIfWhatIsMadeDiesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := e.dial(ctx)
				conn.(*fakeConn).kill(health.Reset)
				return conn, err
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if dials, _, _ := e.counts(); dials < 10 || dials > 30 {
			t.Errorf("%d dials in a second", dials)
		}
		if st := p.Stats(); st.Down || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestFailFastSaysThatTheEndpointIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.FailFast, c.MaxConns = true, 2 })
		live := acquire(t, p)
		e.setRefuse(errRefused)
		e.setDelay(time.Second)
		fails := func(within time.Duration) {
			t.Helper()
			start := time.Now()
			_, err := p.Acquire(t.Context())
			if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errRefused) || !SafeToRetry(err) {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > within {
				t.Errorf("after %v", took)
			}
		}
		fails(2 * time.Second) // the dial itself, and a second in which a reply may come
		for range 5 {
			fails(0)
			time.Sleep(700 * time.Millisecond)
		}
		live.Release()
		acquire(t, p).Release() // what is there may be used
		e.setRefuse(nil)
		time.Sleep(time.Minute)
		a, b := acquire(t, p), acquire(t, p)
		a.Release()
		b.Release()
	})
}

func TestAnOutageEndsOnlyAfterADialSucceeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var a attempts
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.Observer = 1, a.observer() })
		c := acquire(t, p)
		e.setRefuse(errRefused)
		began := time.Now().Add(-3 * time.Second)
		c.Value().kill(health.SendTimeout) // in use, and no room for a dial
		time.Sleep(time.Minute)
		if len(a.start) != 0 || len(a.ended) != 0 || len(a.begun) != 1 || !p.Stats().Down {
			t.Errorf("%+v", p.Stats())
		}
		c.Release()
		time.Sleep(time.Minute)
		e.setRefuse(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(a.begun) != 1 || len(a.ended) != 1 {
			t.Fatalf("begun %+v, ended %+v", a.begun, a.ended)
		}
		o := a.ended[0]
		if !o.Began.Equal(began) || o.Death.Cause != health.SendTimeout || o.Lost != 1 || o.Attempts != len(a.start) ||
			!errors.Is(o.Dial, errRefused) || !o.Ended.After(o.Detected.Add(2*time.Minute)) {
			t.Errorf("%+v", o)
		}
		if st := p.Stats(); st.Outages != 1 || st.OutageTime != o.Ended.Sub(began) || st.Silence != 3*time.Second {
			t.Errorf("%+v", st)
		}
	})
}

func TestHowAnOutageBegins(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin  func(t *testing.T, e *endpoint, p *Pool[*fakeConn])
		began  time.Duration // before its detection
		cause  health.Cause  // of its death, if there is one
		dial   bool          // it begins with a dial's error
		outage bool
	}{
		"silence": {func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.all()[0].kill(health.KeepAliveTimeout)
		}, 3 * time.Second, health.KeepAliveTimeout, false, true},
		"no way": {func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.all()[0].kill(health.Unreachable)
		}, 3 * time.Second, health.Unreachable, false, true},
		"a failed heartbeat": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.all()[0].hangs.Store(true)
			time.Sleep(time.Minute)
		}, time.Second, health.HeartbeatFailed, false, true},
		"a reset": {func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.all()[0].kill(health.Reset)
		}, 0, health.Unknown, false, false},
		"a reset and a refused dial": {func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.setRefuse(errRefused)
			e.all()[0].kill(health.Reset)
		}, 0, health.Reset, true, true}, // a peer that said it was going was not silent before
		"a refused dial long after": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.all()[0].kill(health.Reset)
			time.Sleep(time.Minute)
			e.setRefuse(errRefused)
			acquire(t, p).Close()
		}, 0, health.Unknown, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var a attempts
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns, c.Observer, c.Check, c.Heartbeat = 1, a.observer(), e.check, 30*time.Second
				})
				time.Sleep(20 * time.Second)
				test.begin(t, e, p)
				synctest.Wait()
				a.mu.Lock()
				defer a.mu.Unlock()
				if !test.outage {
					if len(a.begun) != 0 {
						t.Errorf("%+v", a.begun)
					}
					return
				}
				if len(a.begun) != 1 {
					t.Fatalf("%d outages", len(a.begun))
				}
				o := a.begun[0]
				if o.Detected.Sub(o.Began) != test.began || (o.Dial != nil) != test.dial || !o.Ended.IsZero() || o.ID != 1 {
					t.Errorf("%+v", o)
				}
				if (o.Death != nil) != (test.cause != health.Unknown) || o.Death != nil && o.Death.Cause != test.cause {
					t.Errorf("death: %v", o.Death)
				}
			})
		})
	}
}

func TestDialAndOpenAreBoundedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(6 * time.Second)
		opened := make(chan error, 10)
		p, err := New(Config[*fakeConn]{
			Dial: e.dial,
			Open: func(ctx context.Context, c net.Conn) (*fakeConn, error) {
				_, err := c.Read(make([]byte, 1)) // the server says nothing
				opened <- err
				return c.(*fakeConn), err
			},
			MaxConns: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		_, err = p.Acquire(ctx)
		var ne net.Error
		if !errors.Is(err, ErrUnavailable) || !errors.As(<-opened, &ne) || !ne.Timeout() {
			t.Error(err)
		}
		if time.Since(start) != 15*time.Second {
			t.Error(time.Since(start))
		}
		if _, open, _ := e.counts(); open > 0 {
			t.Errorf("%d are open", open)
		}
	})
}

func TestADialRunsUnderTheValuesOfItsCallerOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		e := new(endpoint)
		inner := newPool(t, e, nil)
		var seen any
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
			c.MinConns = 1
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				seen = ctx.Value(key{})
				if _, ok := ctx.Deadline(); !ok {
					t.Error("no deadline")
				}
				c, err := inner.Acquire(ctx) // a dial may go through another pool
				return c.Hijack(), err
			}
		})
		synctest.Wait()
		a := acquire(t, p)
		defer a.Release()
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "caller"))
		defer cancel()
		b, err := p.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Release()
		if seen != "caller" {
			t.Errorf("saw %v", seen)
		}
	})
}

func TestAnOutageEndsOnceNobodyIsInDoubtAndLatecomersBeginNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var a attempts
		var of []uint64
		observer := Tee(a.observer(), &Observer{Evict: func(i EvictInfo) {
			a.mu.Lock()
			defer a.mu.Unlock()
			of = append(of, i.Outage)
		}})
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 2, observer })
		time.Sleep(20 * time.Second)
		held := acquire(t, p)
		defer held.Release()
		late := held.Value()
		late.suspect.Store(true)
		for _, c := range e.all() {
			if c != late {
				c.kill(health.KeepAliveTimeout)
			}
		}
		time.Sleep(2 * time.Second) // reconnected by now
		synctest.Wait()
		if _, ended := a.outages(); ended != 0 {
			t.Error("it is over, with a connection in doubt")
		}
		late.kill(health.SendTimeout)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if begun, ended := a.outages(); begun != 1 || ended != 1 {
			t.Errorf("%d begun, %d ended", begun, ended)
		}
		if o := a.ended[0]; o.Lost != 2 || !o.Healed {
			t.Errorf("%+v", o)
		}
		last := acquire(t, p)
		defer last.Release()
		last.Value().kill(health.SendTimeout) // silent for three seconds: since before the end
		synctest.Wait()
		if begun, _ := a.outages(); begun != 1 {
			t.Error("a latecomer began another")
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !slices.Equal(of, []uint64{1, 1, 0}) {
			t.Errorf("they belong to %v", of)
		}
	})
}

func TestAnOutageThatIsNotHealedEndsWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var a attempts
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.Observer = 3, a.observer() })
		time.Sleep(20 * time.Second)
		e.setRefuse(errRefused)
		for _, c := range e.all() {
			c.kill(health.Reset)
		}
		time.Sleep(time.Minute)
		p.Close()
		if begun, ended := a.outages(); begun != 1 || ended != 1 {
			t.Fatalf("%d begun, %d ended", begun, ended)
		}
		if o := a.ended[0]; o.Healed || o.Lost != 3 || o.Attempts == 0 || !errors.Is(o.Dial, errRefused) {
			t.Errorf("%+v", o)
		}
	})
}

func (a *attempts) outages() (begun, ended int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.begun), len(a.ended)
}
