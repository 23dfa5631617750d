package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

const (
	monitorAfter = 8 * time.Second
	// monitorLatest is within what time a server that hangs is to be noticed.
	monitorLatest = monitorAfter + time.Second + 2*defaultCheckTimeout
)

// scene is a pool with a monitor, and what it has told. Its connections have
// received a byte.
type scene struct {
	*Pool[*fakeConn]
	attempts
	e *endpoint

	mu      sync.Mutex // guards what follows
	ended   []EvictInfo
	asked   []HeartbeatInfo
	askedOn []*fakeConn
}

func newScene(t *testing.T, change func(*Config[*fakeConn])) *scene {
	t.Helper()
	s := &scene{e: new(endpoint)}
	observer := Tee(s.observer(), &Observer{
		Evict:     func(i EvictInfo) { s.locked(func() { s.ended = append(s.ended, i) }) },
		Heartbeat: func(i HeartbeatInfo) { s.locked(func() { s.asked = append(s.asked, i) }) },
	})
	s.Pool = newPool(t, s.e, func(c *Config[*fakeConn]) {
		c.Monitor.After, c.Check, c.Observer = monitorAfter, s.e.check, observer
		c.Open = openHeard
		if change != nil {
			change(c)
		}
		check := c.Check
		c.Check = func(ctx context.Context, v *fakeConn) error {
			s.locked(func() { s.askedOn = append(s.askedOn, v) })
			return check(ctx, v)
		}
	})
	return s
}

// openHeard is what a Config's Open may be: the server says something.
func openHeard(_ context.Context, c net.Conn) (*fakeConn, error) {
	c.(*fakeConn).got.Add(1)
	return c.(*fakeConn), nil
}

func (s *scene) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// deaths is what has died.
func (s *scene) deaths() (dead []EvictInfo) {
	s.locked(func() {
		for _, i := range s.ended {
			if i.Err != nil {
				dead = append(dead, i)
			}
		}
	})
	return dead
}

// hang stops the server: it answers on no connection.
func (e *endpoint) hang(yes bool) {
	for _, c := range e.all() {
		c.hangs.Store(yes)
	}
}

// mustLive fails the test if anything has died.
func (s *scene) mustLive(t *testing.T) {
	t.Helper()
	if dead, st := s.deaths(), s.Stats(); len(dead) > 0 || st.Outages > 0 || st.Down {
		t.Errorf("%v, %+v", dead, st)
	}
}

// monitored waits until the monitor has its connection, which is the last that
// was made, and returns it.
func (s *scene) monitored(t *testing.T) *fakeConn {
	t.Helper()
	time.Sleep(time.Second + roundLeast)
	synctest.Wait()
	all := s.e.all()
	if _, open, _ := s.e.counts(); s.Stats().Unmonitored || open != s.Stats().Conns+1 {
		t.Fatalf("the monitor has no connection: %d open, %+v", open, s.Stats())
	}
	return all[len(all)-1]
}

// askings are the connections that were asked on.
func (s *scene) askings() (on []*fakeConn) {
	s.locked(func() { on = slices.Clone(s.askedOn) })
	return on
}

// read has a caller wait for what the server does not send.
func read(c Conn[*fakeConn]) <-chan error {
	failed := make(chan error, 1)
	v := c.Value()
	go func() {
		_, err := v.Read(make([]byte, 1))
		failed <- err
	}()
	return failed
}

func TestWithNothingInUseForLongNobodyIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, func(c *Config[*fakeConn]) { c.MinConns = 2 })
		time.Sleep(time.Hour)
		if dials, _, _ := s.e.counts(); dials != 2 {
			t.Errorf("%d dials, with nothing in use", dials)
		}
		load(t, s.Pool, 20, 3*time.Second, 10*time.Minute)
		if checks, _ := s.e.asked(); checks > 0 {
			t.Errorf("%d checks", checks)
		}
		if dials, _, _ := s.e.counts(); dials != 4+1 {
			t.Errorf("%d dials", dials)
		}
		s.mustLive(t)
	})
}

func TestASlowQueryOfAServerThatAnswersIsNotEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, nil)
		slow := acquire(t, s.Pool)
		own := s.monitored(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		checks, _ := s.e.asked()
		if most := int(time.Hour / monitorAfter); checks > most+1 || checks < most-5 {
			t.Errorf("asked %d times in an hour", checks)
		}
		for i, c := range s.askedOn {
			if c != own || s.asked[i].Err != nil || !s.asked[i].Monitor {
				t.Fatalf("asked on %d: %+v", c.id, s.asked[i])
			}
		}
		slow.Release()
		s.mustLive(t)
	})
}

func TestOfAServerThatHangsThoseWithoutAByteAreEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, nil)
		silent, other, heard := acquire(t, s.Pool), acquire(t, s.Pool), acquire(t, s.Pool)
		own := s.monitored(t)
		time.Sleep(20 * time.Second)
		hung := time.Now()
		s.e.hang(true)
		failed, failedToo, fine := read(silent), read(other), read(heard)
		for checks, _ := s.e.asked(); len(s.deaths()) == 0; {
			time.Sleep(time.Millisecond)
			if now, _ := s.e.asked(); now > checks { // the asking has begun
				checks = now
				heard.Value().got.Add(1)
			}
		}
		if d := time.Since(hung); d > monitorLatest {
			t.Errorf("noticed after %v", d)
		}
		for _, failed := range []<-chan error{failed, failedToo} {
			dead, ok := errors.AsType[*health.DeadError](<-failed)
			if !ok || dead.Cause != health.HeartbeatFailed || dead.Op != "monitor" || endedByContext(dead) {
				t.Errorf("%+v", dead)
			}
		}
		synctest.Wait()
		for _, i := range s.deaths() {
			if i.Reason != ReasonDead || !i.InUse || i.Err.Cause != health.HeartbeatFailed || i.Outage != 1 || i.Conn == heard.Value() {
				t.Errorf("%+v", i)
			}
			if i.Err.Silence < 2*defaultCheckTimeout || i.Err.Since().After(hung) {
				t.Errorf("silent for %v", i.Err.Silence)
			}
		}
		if st := s.Stats(); st.Deaths[health.HeartbeatFailed] != 2 || st.InUse != 3 || len(s.begun) != 1 || !own.closed.Load() {
			t.Errorf("%+v, outages %v", st, s.begun)
		}
		s.e.hang(false)
		heard.Value().SetDeadline(netconn.Past)
		if err := <-fine; !strings.Contains(err.Error(), "timeout") {
			t.Error(err)
		}
		for _, c := range []Conn[*fakeConn]{silent, other, heard} {
			c.Release()
		}
		acquire(t, s.Pool).Release()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(s.attempts.ended) != 1 || !s.attempts.ended[0].Healed || s.attempts.ended[0].Lost != 2 {
			t.Errorf("%+v", s.attempts.ended)
		}
	})
}

// What hangs does so at any moment, with callers that come and go before.
func TestAHangIsNoticedWithinTheStatedTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		after := time.Duration(1+r.Int64N(int64(20*time.Second))) + 10*time.Millisecond
		failures, timeout := 1+r.IntN(4), time.Duration(1+r.Int64N(int64(2*time.Second)))
		latest := after + min(after/4, time.Second) + time.Duration(failures)*timeout + 2*roundLeast
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, func(c *Config[*fakeConn]) {
				c.Monitor, c.CheckTimeout = Monitor{After: after, Failures: failures}, timeout
			})
			for range r.IntN(10) {
				c := acquire(t, s.Pool)
				time.Sleep(time.Duration(r.Int64N(int64(after))))
				c.Release()
			}
			held := acquire(t, s.Pool)
			failed := read(held)
			time.Sleep(min(after/4, time.Second) + roundLeast + time.Duration(r.Int64N(int64(3*after))))
			hung := time.Now()
			s.e.hang(true)
			time.Sleep(latest)
			synctest.Wait()
			select {
			case err := <-failed:
				if health.Classify(err) != health.HeartbeatFailed {
					t.Error(err)
				}
			default:
				t.Errorf("seed %d: nothing after %v, %+v", seed, time.Since(hung), s.Stats())
				held.Close()
				<-failed
			}
			held.Release()
		})
	}
}

// Uses that are short fall between two looks; the monitor has its connection all the same
// when the server stops.
func TestAHangIsNoticedAlsoWhereUsesWereTooShortToBeSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		for range 10 {
			acquire(t, s.Pool).Release()
			time.Sleep(roundEvery)
		}
		s.e.hang(true)
		held := acquire(t, s.Pool)
		failed := read(held)
		time.Sleep(monitorLatest)
		synctest.Wait()
		select {
		case err := <-failed:
			if health.Classify(err) != health.HeartbeatFailed {
				t.Error(err)
			}
		default:
			t.Errorf("nothing: %+v", s.Stats())
			held.Close()
			<-failed
		}
		held.Release()
	})
}

func TestAMonitorWithoutAConnectionEndsNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(e *endpoint, failOpen *atomic.Bool){
		"refused":        func(e *endpoint, _ *atomic.Bool) { e.setRefuse(errRefused) },
		"full":           func(e *endpoint, _ *atomic.Bool) { e.allow(2) },
		"a Dial hangs":   func(e *endpoint, _ *atomic.Bool) { e.setDelay(time.Hour) },
		"an Open fails":  func(_ *endpoint, failOpen *atomic.Bool) { failOpen.Store(true) },
		"everything off": func(e *endpoint, failOpen *atomic.Bool) { e.setRefuse(errRefused); e.hang(true); failOpen.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var failOpen atomic.Bool
				s := newScene(t, func(c *Config[*fakeConn]) {
					c.Open = func(ctx context.Context, conn net.Conn) (*fakeConn, error) {
						if failOpen.Load() {
							return nil, errSick
						}
						return openHeard(ctx, conn)
					}
				})
				one, two := acquire(t, s.Pool), acquire(t, s.Pool)
				stop(s.e, &failOpen)
				time.Sleep(10 * time.Minute)
				dials, _, _ := s.e.counts()
				if st := s.Stats(); !st.Unmonitored || st.DialErrors > 0 || dials < 10 || dials > 150 {
					t.Errorf("%d dials, %+v", dials, st)
				}
				s.mustLive(t)
				failOpen.Store(false)
				s.e.setRefuse(nil)
				s.e.setDelay(0)
				s.e.allow(0)
				s.e.hang(false)
				time.Sleep(time.Minute)
				if st := s.Stats(); st.Unmonitored {
					t.Errorf("with all well: %+v", st)
				}
				one.Release()
				two.Release()
				s.mustLive(t)
			})
		})
	}
}

// What the monitor's Check does, at the nth asking, and what becomes of it.
func TestAskings(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ *fakeConn) error { <-ctx.Done(); return ctx.Err() }
	late := func(d time.Duration) func(context.Context, *fakeConn) error {
		return func(ctx context.Context, _ *fakeConn) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	sick := func(context.Context, *fakeConn) error { return errSick }
	fine := func(context.Context, *fakeConn) error { return nil }
	type asking = func(context.Context, *fakeConn) error
	for name, test := range map[string]struct {
		failures int
		script   []asking      // over and over
		ended    time.Duration // after the first asking began; 0 is never
		conns    int           // of the monitor's, if it is known
	}{
		"no reply":                          {0, []asking{hang}, 2 * time.Second, 0},
		"no reply to one":                   {1, []asking{hang}, time.Second, 0},
		"no reply to five":                  {5, []asking{hang}, 5 * time.Second, 0},
		"a late reply":                      {2, []asking{late(1900 * time.Millisecond)}, 0, 1},
		"a reply that is too late":          {2, []asking{late(2100 * time.Millisecond)}, 2 * time.Second, 0},
		"errors":                            {2, []asking{sick}, 2 * time.Second, 0},
		"one error":                         {1, []asking{sick}, time.Second, 0},
		"every other one fails":             {2, []asking{sick, fine}, 0, 1},
		"two of three fail":                 {3, []asking{sick, sick, fine}, 0, 1},
		"an error, then none":               {2, []asking{sick, hang}, 2 * time.Second, 0},
		"an error that has taken its time":  {2, []asking{func(context.Context, *fakeConn) error { time.Sleep(1500 * time.Millisecond); return errSick }}, 2 * time.Second, 0},
		"an error is a reply":               {1, []asking{func(_ context.Context, c *fakeConn) error { c.got.Add(1); return errSick }}, 0, 1},
		"a byte is no reply":                {1, []asking{func(ctx context.Context, c *fakeConn) error { c.got.Add(1); return hang(ctx, c) }}, time.Second, 0},
		"no reply by the kernel either":     {1, []asking{func(ctx context.Context, c *fakeConn) error { c.suspect.Store(true); return hang(ctx, c) }}, 0, 0},
		"panics":                            {1, []asking{func(context.Context, *fakeConn) error { panic("Check") }}, 0, 0},
		"its connection is reset":           {1, []asking{func(_ context.Context, c *fakeConn) error { c.kill(health.Reset); return errSick }}, 0, 0},
		"its connection is closed by the T": {2, []asking{func(_ context.Context, c *fakeConn) error { c.kill(health.LocalClosed); return errSick }}, 0, 0}, // and opened again
		"it does not return":                {2, []asking{func(context.Context, *fakeConn) error { time.Sleep(time.Minute); return nil }}, 3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex // guards what follows
				var began time.Time
				n := 0
				s := newScene(t, func(c *Config[*fakeConn]) {
					c.Monitor.Failures = test.failures
					c.Check = func(ctx context.Context, v *fakeConn) error {
						mu.Lock()
						if n++; n == 1 {
							began = time.Now()
						}
						next := test.script[(n-1)%len(test.script)]
						mu.Unlock()
						return next(ctx, v)
					}
				})
				held := acquire(t, s.Pool)
				for range 100_000 {
					if time.Sleep(time.Millisecond); len(s.deaths()) > 0 {
						break
					}
				}
				mu.Lock()
				if dead := s.deaths(); len(dead) != min(1, int(test.ended)) || len(dead) > 0 && !dead[0].Err.Detected.Equal(began.Add(test.ended)) {
					t.Errorf("%v, want one %v after %v", dead, test.ended, began)
				}
				if dials, _, _ := s.e.counts(); test.conns > 0 && dials != 1+test.conns {
					t.Errorf("%d dials", dials)
				}
				if n < 1 || test.ended == 0 && n < 3 {
					t.Errorf("asked %d times", n)
				}
				mu.Unlock()
				held.Release()
				s.Close()
				time.Sleep(time.Minute) // for a Check that goes on
			})
		})
	}
}

func TestAPanicOfTheMonitorsCheckIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, func(c *Config[*fakeConn]) {
			c.Check = func(context.Context, *fakeConn) error { panic("Check") }
		})
		held := acquire(t, s.Pool)
		defer held.Release()
		own := s.monitored(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		if err, ok := errors.AsType[*PanicError](s.asked[0].Err); !ok || err.Func != "Check" || !own.closed.Load() {
			t.Errorf("%v", s.asked[0])
		}
		s.mustLive(t)
	})
}

// The second asking has begun when it happens.
func TestADoubtEndsWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do    func(t *testing.T, s *scene, held Conn[*fakeConn])
		ended bool // as by a hang
	}{
		"nothing happens":           {func(*testing.T, *scene, Conn[*fakeConn]) {}, true},
		"Release":                   {func(_ *testing.T, _ *scene, held Conn[*fakeConn]) { held.Release() }, false},
		"Close":                     {func(_ *testing.T, _ *scene, held Conn[*fakeConn]) { held.Close() }, false},
		"Hijack":                    {func(_ *testing.T, _ *scene, held Conn[*fakeConn]) { held.Hijack().Close() }, false},
		"another use":               {func(t *testing.T, s *scene, held Conn[*fakeConn]) { held.Release(); acquire(t, s.Pool) }, false},
		"a byte":                    {func(_ *testing.T, _ *scene, held Conn[*fakeConn]) { held.Value().got.Add(1) }, false},
		"Interrupt":                 {func(_ *testing.T, s *scene, _ Conn[*fakeConn]) { s.Interrupt("test") }, false},
		"Invalidate":                {func(_ *testing.T, s *scene, _ Conn[*fakeConn]) { s.Invalidate("test") }, true}, // they lead to the same server
		"a death of another kind":   {func(_ *testing.T, _ *scene, held Conn[*fakeConn]) { held.Value().kill(health.Reset) }, false},
		"a death of the monitor's":  {func(_ *testing.T, s *scene, _ Conn[*fakeConn]) { s.e.all()[1].kill(health.Reset) }, false},
		"the pool is closed":        {func(_ *testing.T, s *scene, _ Conn[*fakeConn]) { s.Close() }, false},
		"the pool is shutting down": {func(_ *testing.T, s *scene, _ Conn[*fakeConn]) { s.shutDown() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, nil)
				held := acquire(t, s.Pool)
				s.monitored(t)
				s.e.hang(true)
				for len(s.askings()) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(1500 * time.Millisecond)
				start := time.Now()
				test.do(t, s, held)
				took(t, "returned", start, 0)
				s.e.hang(false)
				time.Sleep(time.Second)
				synctest.Wait()
				if n := s.Stats().Deaths[health.HeartbeatFailed]; n > 0 != test.ended {
					t.Errorf("%d ended", n)
				}
				held.Release()
			})
		})
	}
}

func TestTheMonitorsConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config[*fakeConn])
		do     func(s *scene, own *fakeConn)
	}{
		"when it has died":   {nil, func(_ *scene, own *fakeConn) { own.kill(health.PeerClosed) }},
		"by Invalidate":      {nil, func(s *scene, _ *fakeConn) { s.Invalidate("test") }},
		"after its life":     {func(c *Config[*fakeConn]) { c.MaxConnLifetime = time.Minute }, func(*scene, *fakeConn) { time.Sleep(time.Minute) }},
		"when it has closed": {nil, func(_ *scene, own *fakeConn) { own.kill(health.LocalClosed) }},
		"when the server was off": {nil, func(s *scene, own *fakeConn) {
			own.kill(health.Reset)
			s.e.setRefuse(errRefused)
			time.Sleep(time.Minute)
			s.e.setRefuse(nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, test.change)
				held := acquire(t, s.Pool)
				defer held.Release()
				own := s.monitored(t)
				test.do(s, own)
				defer acquire(t, s.Pool).Release()          // for Invalidate, after which held is not judged
				time.Sleep(16*time.Second + 2*monitorAfter) // the longest pause
				synctest.Wait()
				on := s.askings()
				if next := s.monitored(t); next == own || !own.closed.Load() || on[len(on)-1] == own {
					t.Error("it was not")
				}
				if _, open, _ := s.e.counts(); open != s.Stats().Conns+1 {
					t.Errorf("%d open", open)
				}
				s.mustLive(t)
			})
		})
	}
}

func TestTheMonitorsConnectionIsNobodyElses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		s := newScene(t, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns = 2, 2
			c.Close = func(v *fakeConn) error { closed.Add(1); return v.Close() }
		})
		first := acquire(t, s.Pool)
		own := s.monitored(t)
		second := acquire(t, s.Pool)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if c, err := s.Acquire(ctx); err == nil || first.Value() == own || second.Value() == own {
			t.Errorf("handed out: %v", c.Value())
		}
		if st := s.Stats(); st.Conns != 2 || st.Dials != 2 || len(s.ended) != 0 {
			t.Errorf("%+v", st)
		}
		first.Release()
		second.Release()
		if n, err := s.Shutdown(t.Context()); n != 0 || err != nil || closed.Load() != 3 || s.e.left() != 0 || len(s.ended) != 2 {
			t.Errorf("%d, %v, %d closed, %d told", n, err, closed.Load(), len(s.ended))
		}
	})
}

// Invalidate and another address: what the monitor asks is another server then.
func TestWhatLeadsElsewhereIsNotJudged(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(s *scene){
		"to another address": func(s *scene) {
			s.e.mu.Lock()
			s.e.addr = "2"
			s.e.mu.Unlock()
			s.e.all()[1].kill(health.Reset)
		},
		"to what came before Invalidate": func(s *scene) { s.Invalidate("test") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, nil)
				held := acquire(t, s.Pool)
				defer held.Release()
				s.monitored(t)
				move(s)
				time.Sleep(3 * time.Second)
				s.e.hang(true)
				time.Sleep(time.Hour)
				if n := len(s.askings()); n > 0 {
					t.Errorf("%d askings", n)
				}
				s.mustLive(t)
			})
		})
	}
}

// deaf is a connection that does not tell what it has received.
type deaf struct{ net.Conn }

func TestWhatCannotTellIsNotJudged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		got    uint64
		judged bool
	}{
		"counts, and has counted":     {1, true},
		"counts, and has not counted": {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, func(c *Config[*fakeConn]) {
					c.Open = func(_ context.Context, c net.Conn) (*fakeConn, error) {
						c.(*fakeConn).got.Store(test.got)
						return c.(*fakeConn), nil
					}
				})
				held := acquire(t, s.Pool)
				defer held.Release()
				time.Sleep(time.Minute)
				if dials, _, _ := s.e.counts(); dials > 1 != test.judged {
					t.Errorf("%d dials", dials)
				}
			})
		})
	}
	for name, test := range map[string]struct {
		info   health.Info
		judged bool
	}{
		"a kernel that counts":         {health.Info{BytesAcked: 1}, true},
		"a kernel that does not count": {health.Info{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &slot[deaf]{info: informed{&test.info}}
			if _, _, judged := s.received(); judged != test.judged {
				t.Error(judged)
			}
		})
	}
	if _, _, judged := (&slot[deaf]{conn: deaf{}}).received(); judged {
		t.Error("a connection of another kind")
	}
}

// greeted is a connection of another kind, whose far end says something at first.
func greeted() (near, far net.Conn) {
	near, far = net.Pipe()
	go func() { _, _ = far.Write([]byte{1}) }()
	return near, far
}

// The pool counts what is read from a connection that does not count, and has its calls
// say why they fail.
func TestAConnectionOfAnotherKindIsEndedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fars []net.Conn
		var hung atomic.Bool
		p, err := New(Config[net.Conn]{
			Dial: func(context.Context) (net.Conn, error) {
				near, far := greeted()
				fars = append(fars, far)
				return struct{ net.Conn }{near}, nil
			},
			Open: func(_ context.Context, c net.Conn) (net.Conn, error) {
				_, err := c.Read(make([]byte, 1))
				return c, err
			},
			Check: func(ctx context.Context, _ net.Conn) error {
				if hung.Load() {
					<-ctx.Done()
				}
				return ctx.Err()
			},
			MaxConns: 1, Monitor: Monitor{After: monitorAfter},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			p.Close()
			for _, far := range fars {
				far.Close()
			}
		}()
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		time.Sleep(2 * time.Second)
		hung.Store(true)
		start := time.Now()
		_, err = c.Value().Read(make([]byte, 1))
		if dead, ok := errors.AsType[*health.DeadError](err); !ok || dead.Cause != health.HeartbeatFailed || time.Since(start) > monitorLatest {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := c.Value().Write([]byte{1}); health.Classify(err) != health.HeartbeatFailed {
			t.Error(err)
		}
	})
}

func TestDoRunsAgainOnWhatComesAfterAHang(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]bool{"Idempotent": true, "not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, nil)
				ctx, runs := t.Context(), 0
				if word {
					ctx = Idempotent(ctx)
				}
				time.AfterFunc(10*time.Second, func() { s.e.hang(true) })
				err := s.Do(ctx, func(_ context.Context, c *fakeConn) error {
					if runs++; runs > 1 {
						return nil
					}
					if err := ask(c); err != nil {
						return err
					}
					_, err := c.Read(make([]byte, 1))
					return fmt.Errorf("request: %w", err)
				})
				if word != (err == nil) || runs != map[bool]int{true: 2, false: 1}[word] {
					t.Errorf("%d runs, %v", runs, err)
				}
				if err != nil && (health.Classify(err) != health.HeartbeatFailed || SafeToRetry(err)) {
					t.Error(err)
				}
			})
		})
	}
}

func TestOneUseOfAConnectionIsCondemned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		c := acquire(t, s.Pool)
		before := c.use
		c.Release()
		c = acquire(t, s.Pool)
		dead := &health.DeadError{Cause: health.HeartbeatFailed, Detected: time.Now()}
		s.condemn(c.slot, before, dead)
		if synctest.Wait(); c.slot.marked(unfit) || c.broken() || len(s.deaths()) > 0 {
			t.Error("the next use was")
		}
		if reason, why := c.slot.why(); reason != "" || why != nil {
			t.Errorf("%s, %v", reason, why)
		}
		s.condemn(c.slot, c.use, dead)
		s.condemn(c.slot, c.use, dead)
		if synctest.Wait(); !c.slot.is(interrupted) || len(s.deaths()) != 1 || c.Value().Err() != dead {
			t.Errorf("%v", s.deaths())
		}
		c.Release()
		synctest.Wait()
		if len(s.ended) != 1 || s.e.left() != 0 {
			t.Errorf("%v, %d left", s.ended, s.e.left())
		}
	})
}

// Of two timers the one that is due first may be the later one, where this process
// hardly gets a processor: the look at the connection is not left out for it.
func TestALookThatIsOverdueIsTakenBeforeAHangIsJudged(t *testing.T) {
	t.Parallel()
	var info health.Info
	s := &slot[net.Conn]{info: informed{&info}}
	for _, test := range []struct {
		unacked int
		after   time.Duration
		overdue bool
		reached bool
	}{
		{unacked: 1, after: time.Hour, overdue: true},
		{unacked: 1, after: time.Hour, reached: true}, // nothing was due yet
		{after: time.Hour, overdue: true, reached: true},
		{unacked: 1},
		{reached: true},
	} {
		info.Unacked = test.unacked
		look := s.lookAfter(t.Context(), test.after)
		// What is due at once runs beside us: it has begun, or is overdue.
		if reached := look(test.overdue || test.after == 0); reached != test.reached {
			t.Errorf("%+v: reached %v", test, reached)
		}
	}
}

// informed tells what it was told to.
type informed struct{ info *health.Info }

func (i informed) Info() (health.Info, error) { return *i.info, nil }
