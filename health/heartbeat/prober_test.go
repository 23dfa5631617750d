package heartbeat

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
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

// ping is a probe: one byte there, and one back.
func ping(_ context.Context, c net.Conn) error {
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// echo serves what ping asks for.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// served returns a connection whose peer serves.
func served(t *testing.T) net.Conn {
	c, peer := net.Pipe()
	go echo(peer)
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c
}

// hung returns a connection whose peer does not.
func hung(t *testing.T) net.Conn {
	c, peer := net.Pipe()
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c
}

// begin starts a heartbeat that must not find a death.
func begin(t *testing.T, r *Prober, c net.Conn) *Pulse {
	t.Helper()
	return beginWith(t, r, c, func(e *health.DeadError) { t.Errorf("dead: %v", e) })
}

func beginWith(t *testing.T, r *Prober, c net.Conn, dead func(*health.DeadError)) *Pulse {
	t.Helper()
	p, err := r.Start(c, dead)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// deaths collects what dead is called with.
type deaths chan *health.DeadError

func (d deaths) add(e *health.DeadError) { d <- e }

// bubble is synctest.Test.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

const (
	every   = 10 * time.Second
	limit   = time.Second
	soonest = every - every/10
	latest  = every + every/10
)

func TestAProberWithWrongFieldsDoesNotStart(t *testing.T) {
	t.Parallel()
	probe := func(context.Context, net.Conn) error { return nil }
	for _, test := range []struct {
		r    *Prober
		want string
	}{
		{&Prober{}, "Probe is nil"},
		{&Prober{Probe: probe, Interval: -time.Second}, "Interval is -1s"},
		{&Prober{Probe: probe, Interval: 1<<62 + 1}, "Interval is 1281023h53m38.427387905s"},
		{&Prober{Probe: probe, Timeout: -2 * time.Second}, "Timeout is -2s"},
		{&Prober{Probe: probe, Timeout: 1<<63 - 1}, "Timeout is 2562047h47m16.854775807s"},
		{&Prober{Probe: probe, Failures: -3}, "Failures is -3"},
	} {
		p, err := test.r.Start(hung(t), func(*health.DeadError) {})
		if p != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Start = %v, %v, want an error with %q", p, err, test.want)
		}
	}
	r := &Prober{Probe: probe}
	if _, err := r.Start(nil, func(*health.DeadError) {}); err == nil {
		t.Error("started without a connection")
	}
	if _, err := r.Start(hung(t), nil); err == nil {
		t.Error("started without a function")
	}
}

func TestTheZeroProberProbesEvery30SecondsForAtMost5(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		asked := make(chan time.Time, 1)
		r := &Prober{Probe: func(ctx context.Context, c net.Conn) error {
			asked <- time.Now()
			<-ctx.Done()
			return ctx.Err()
		}}
		found := make(deaths, 1)
		beginWith(t, r, hung(t), found.add)
		at := <-asked
		if d := at.Sub(start); d < 27*time.Second || d > 33*time.Second {
			t.Errorf("first probe after %v", d)
		}
		<-found
		if d := time.Since(at); d != 5*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestTheDefaultTimeoutIsNoLongerThanTheInterval(t *testing.T) {
	t.Parallel()
	r := &Prober{Interval: time.Second, Probe: ping}
	if set, err := r.settings(); err != nil || set.timeout != time.Second {
		t.Errorf("timeout %v, %v", set.timeout, err)
	}
}

func TestIntervalsAreJitteredWithinTenPercent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan time.Time)
		r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
			asked <- time.Now()
			return nil
		}}
		last, least, most := time.Now(), time.Hour, time.Duration(0)
		begin(t, r, served(t))
		for range 500 {
			at := <-asked
			d := at.Sub(last)
			least, most, last = min(least, d), max(most, d), at
		}
		if least < soonest || most > latest {
			t.Errorf("intervals from %v to %v", least, most)
		}
		if most-least < every/10 {
			t.Errorf("hardly any jitter: from %v to %v", least, most)
		}
	})
}

func TestAPeerThatStopsServingIsAHeartbeatFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Timeout: limit, Probe: ping}
		c, found, start := hung(t), make(deaths, 1), time.Now()
		p := beginWith(t, r, c, found.add)
		dead := <-found
		if d := time.Since(start); d < soonest+limit || d > latest+limit {
			t.Errorf("found after %v", d)
		}
		if dead.Cause != health.HeartbeatFailed || dead.Op != "heartbeat" || !dead.Detected.Equal(time.Now()) ||
			dead.Silence != 0 || dead.Info != (health.Info{}) || !errors.Is(dead.Err, os.ErrDeadlineExceeded) {
			t.Errorf("dead: %#v", dead)
		}
		time.Sleep(10 * every)
		if len(found) != 0 {
			t.Error("dead was called again")
		}
		if !p.TryLock() {
			t.Error("not free")
		}
	})
}

func TestAProbeHasContextAndDeadlineOfOneMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan [2]time.Duration, 1)
		r := &Prober{Interval: every, Timeout: limit, Probe: func(ctx context.Context, c net.Conn) error {
			start := time.Now()
			_, err := c.Read(make([]byte, 1))
			byDeadline := time.Since(start)
			<-ctx.Done()
			ended <- [2]time.Duration{byDeadline, time.Since(start)}
			return err
		}}
		beginWith(t, r, hung(t), func(*health.DeadError) {})
		if got := <-ended; got != [2]time.Duration{limit, limit} {
			t.Errorf("deadline and context ended after %v", got)
		}
	})
}

func TestOnlyMoreFailuresInARowThanToleratedAreADeath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failure := errors.New("overloaded")
		script := []error{failure, failure, nil, failure, failure, nil, failure, failure, failure, nil}
		asked := 0
		r := &Prober{Interval: every, Failures: 2, Probe: func(context.Context, net.Conn) error {
			asked++
			return script[asked-1]
		}}
		found := make(deaths, 1)
		beginWith(t, r, hung(t), found.add)
		dead := <-found
		if asked != 9 || dead.Cause != health.HeartbeatFailed || dead.Err != failure {
			t.Errorf("after %d probes: %v", asked, dead)
		}
	})
}

// remembering is a connection that knows its deadlines, as hale.Conn.
type remembering struct {
	net.Conn
	meter netconn.Meter
}

func (c *remembering) SetReadDeadline(t time.Time) error {
	c.meter.SetDeadlines(&t, nil)
	return c.Conn.SetReadDeadline(t)
}

func (c *remembering) SetWriteDeadline(t time.Time) error {
	c.meter.SetDeadlines(nil, &t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *remembering) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *remembering) Meter() *netconn.Meter { return &c.meter }

// wrapped is a connection over another one, as tls.Conn.
type wrapped struct{ net.Conn }

func (c wrapped) NetConn() net.Conn { return c.Conn }

// opaque is a connection that hides the one under it.
type opaque struct{ hidden }

type hidden = net.Conn

func TestDeadlinesAreRestoredAfterAProbe(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"directly":       func(c net.Conn) net.Conn { return c },
		"under wrappers": func(c net.Conn) net.Conn { return wrapped{wrapped{c}} },
		"embedded":       func(c net.Conn) net.Conn { return &struct{ net.Conn }{c} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				own := &remembering{Conn: hung(t)}
				read, write := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
				own.SetReadDeadline(read)
				own.SetWriteDeadline(write)
				r := &Prober{Interval: every, Timeout: limit, Failures: 1, Probe: ping}
				begin(t, r, wrap(own))
				time.Sleep(latest + limit)
				synctest.Wait()
				if r, w := own.meter.Deadlines(); !r.Equal(read) || !w.Equal(write) {
					t.Errorf("deadlines %v and %v, want %v and %v", r, w, read, write)
				}
			})
		})
	}
}

func TestDeadlinesThatNobodyRemembersAreNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own := &remembering{Conn: hung(t)}
		own.SetDeadline(time.Now().Add(time.Hour))
		r := &Prober{Interval: every, Timeout: limit, Failures: 1, Probe: ping}
		begin(t, r, opaque{own})
		time.Sleep(latest + limit)
		synctest.Wait()
		if r, w := own.meter.Deadlines(); !r.IsZero() || !w.IsZero() {
			t.Errorf("deadlines %v and %v", r, w)
		}
	})
}

func TestNoProbeRunsWhileTheOwnerHasTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan time.Time, 1)
		r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
			asked <- time.Now()
			return nil
		}}
		p := begin(t, r, served(t))
		for i := range 50 {
			p.Lock()
			time.Sleep(time.Duration(i) * time.Second) // up to several intervals
			if len(asked) != 0 {
				t.Fatal("probed while locked")
			}
			p.Unlock()
			unlocked := time.Now()
			if d := (<-asked).Sub(unlocked); d < soonest || d > latest {
				t.Errorf("probed %v after Unlock", d)
			}
		}
	})
}

func TestEveryUseBeginsTheIntervalAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked atomic.Int32
		r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
			asked.Add(1)
			return nil
		}}
		p := begin(t, r, served(t))
		for range 1000 {
			time.Sleep(soonest - time.Millisecond)
			if !p.TryLock() {
				t.Fatal("not free")
			}
			p.Unlock()
		}
		if n := asked.Load(); n != 0 {
			t.Errorf("%d probes of a connection in use", n)
		}
	})
}

func TestLockWaitsForTheProbeUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan struct{})
		r := &Prober{Interval: every, Timeout: limit, Failures: 1, Probe: func(ctx context.Context, c net.Conn) error {
			close(asked)
			return ping(ctx, c)
		}}
		p := begin(t, r, hung(t))
		<-asked
		start := time.Now()
		if p.TryLock() {
			t.Error("TryLock during a probe")
		}
		p.Lock()
		if d := time.Since(start); d != limit {
			t.Errorf("locked after %v", d)
		}
		p.Unlock()
		if !p.TryLock() {
			t.Error("not free")
		}
		p.Unlock()
	})
}

func TestWhoWaitsInLockFindsWhatDeadDid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan struct{})
		r := &Prober{Interval: every, Timeout: limit, Probe: func(ctx context.Context, c net.Conn) error {
			close(asked)
			return ping(ctx, c)
		}}
		c := hung(t)
		p := beginWith(t, r, c, func(*health.DeadError) {
			time.Sleep(time.Second)
			c.Close()
		})
		<-asked
		p.Lock()
		defer p.Unlock()
		if _, err := c.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("write: %v", err)
		}
	})
}

func TestUnlockOfWhatIsNotLockedPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := begin(t, &Prober{Probe: ping}, served(t))
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		p.Unlock()
	})
}

func TestAHungProbeDelaysNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const hanging = probesMost - 1
		var mu sync.Mutex
		last := make(map[net.Conn]time.Time)
		r := &Prober{Interval: every, Timeout: time.Hour, Probe: func(ctx context.Context, c net.Conn) error {
			if err := ping(ctx, c); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if d := time.Since(last[c]); d < soonest || d > latest {
				t.Errorf("probed after %v", d)
			}
			last[c] = time.Now()
			return nil
		}}
		for range hanging {
			begin(t, r, hung(t))
		}
		mu.Lock()
		for range 100 {
			c := served(t)
			last[c] = time.Now()
			begin(t, r, c)
		}
		mu.Unlock()
		time.Sleep(30 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for _, at := range last {
			if d := time.Since(at); d > latest {
				t.Errorf("not probed for %v", d)
			}
		}
	})
}

func TestOnlySoManyProbesRunAtOnceAndTheRestWaitForTheirTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const conns = 2*probesMost + 1
		var running, most atomic.Int32
		r := &Prober{Interval: time.Second, Timeout: limit * 10, Probe: func(ctx context.Context, c net.Conn) error {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			return ping(ctx, c)
		}}
		found, start := make(deaths, conns), time.Now()
		for range conns {
			beginWith(t, r, hung(t), found.add)
		}
		var after []time.Duration
		for range conns {
			after = append(after, (<-found).Detected.Sub(start))
		}
		if n := most.Load(); n != probesMost {
			t.Errorf("%d probes at once", n)
		}
		round := 10 * limit
		for i, d := range after {
			turn := time.Duration(i/probesMost + 1)
			if d < turn*round+900*time.Millisecond || d > turn*round+1100*time.Millisecond {
				t.Errorf("death %d found after %v", i, d)
			}
		}
		if !slices.IsSorted(after) {
			t.Error("times out of order")
		}
	})
}

func TestStopBeforeTheFirstProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
			t.Error("probed")
			return nil
		}}
		p := begin(t, r, served(t))
		p.Stop()
		p.Stop()
		time.Sleep(2 * latest)
		p.Lock() // still a lock
		if p.TryLock() {
			t.Error("locked twice")
		}
	})
}

func TestStopInterruptsAProbe(t *testing.T) {
	for name, probe := range map[string]func(context.Context, net.Conn) error{
		"in a call":      ping,
		"in its context": func(ctx context.Context, _ net.Conn) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				asked := make(chan struct{})
				var ended atomic.Bool
				r := &Prober{Interval: every, Timeout: time.Hour, Probe: func(ctx context.Context, c net.Conn) error {
					close(asked)
					defer ended.Store(true)
					return probe(ctx, c)
				}}
				c := &remembering{Conn: hung(t)}
				deadline := time.Now().Add(24 * time.Hour)
				c.SetDeadline(deadline)
				p := begin(t, r, c)
				<-asked
				start := time.Now()
				p.Stop()
				if d := time.Since(start); d != 0 || !ended.Load() {
					t.Errorf("stopped after %v, probe ended: %v", d, ended.Load())
				}
				if r, w := c.meter.Deadlines(); !r.Equal(deadline) || !w.Equal(deadline) {
					t.Errorf("deadlines %v and %v", r, w)
				}
				if !p.TryLock() {
					t.Error("not free after Stop")
				}
			})
		})
	}
}

func TestEveryStopWaitsForTheProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan struct{})
		var ended atomic.Bool
		r := &Prober{Interval: every, Probe: func(ctx context.Context, c net.Conn) error {
			close(asked)
			<-ctx.Done()
			time.Sleep(time.Second) // it takes its time to notice
			ended.Store(true)
			return ctx.Err()
		}}
		p := begin(t, r, served(t))
		<-asked
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				p.Stop()
				if !ended.Load() {
					t.Error("Stop returned during the probe")
				}
			})
		}
		wg.Wait()
	})
}

func TestStopWhileTheOwnerHasTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Probe: ping}
		p := begin(t, r, served(t))
		p.Lock()
		time.Sleep(2 * latest)
		p.Stop()
		p.Unlock()
		if !p.TryLock() {
			t.Error("not free")
		}
	})
}

func TestStopFromWithinDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Timeout: limit, Probe: ping}
		pulse, done := make(chan *Pulse, 1), make(chan struct{})
		pulse <- beginWith(t, r, hung(t), func(*health.DeadError) {
			(<-pulse).Stop()
			close(done)
		})
		<-done
	})
}

func TestStopDuringDeadWaitsForIt(t *testing.T) {
	t.Parallel() // not in a bubble: its clock stands still while somebody waits for a mutex
	r := &Prober{Interval: time.Millisecond, Probe: func(context.Context, net.Conn) error { return io.EOF }}
	called, done := make(chan struct{}), make(chan struct{})
	p := beginWith(t, r, hung(t), func(*health.DeadError) {
		close(called)
		time.Sleep(20 * time.Millisecond)
		close(done)
	})
	<-called
	p.Stop()
	select {
	case <-done:
	default:
		t.Error("Stop returned during dead")
	}
}

func TestTheSchedulerEndsWithTheLastPulseAndBeginsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked atomic.Int32
		r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
			asked.Add(1)
			return nil
		}}
		var before *scheduler
		for round := range 3 {
			a, b := begin(t, r, served(t)), begin(t, r, served(t))
			now := r.scheduler
			if now == before || a.scheduler != now || b.scheduler != now {
				t.Error("not one scheduler a round")
			}
			time.Sleep(latest)
			synctest.Wait()
			if n := int(asked.Load()); n < 2*(round+1) {
				t.Errorf("%d probes", n)
			}
			a.Stop()
			select {
			case <-now.ended:
				t.Error("ended too early")
			default:
			}
			b.Stop()
			select {
			case <-now.ended:
			default:
				t.Error("the last Stop has not waited for the scheduler")
			}
			before = now
		}
	})
}

func TestTheSchedulerEndsWhenTheLastConnectionHasDied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Timeout: limit, Probe: ping}
		found := make(deaths, 2)
		beginWith(t, r, hung(t), found.add)
		beginWith(t, r, hung(t), found.add)
		<-found
		<-found
		<-r.scheduler.ended
	})
}

// shut is a connection that calls a close by its name, as a socket does.
type shut struct {
	net.Conn
	closed atomic.Bool
}

func (c *shut) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *shut) name(err error) error {
	if err != nil && c.closed.Load() {
		return &net.OpError{Op: "op", Net: "test", Err: net.ErrClosed}
	}
	return err
}

func (c *shut) Write(b []byte) (int, error)       { n, err := c.Conn.Write(b); return n, c.name(err) }
func (c *shut) Read(b []byte) (int, error)        { n, err := c.Conn.Read(b); return n, c.name(err) }
func (c *shut) SetDeadline(t time.Time) error     { return c.name(c.Conn.SetDeadline(t)) }
func (c *shut) SetReadDeadline(t time.Time) error { return c.name(c.Conn.SetReadDeadline(t)) }

func TestAConnectionThatItsOwnerClosedEndsThePulseWithoutACall(t *testing.T) {
	for name, wait := range map[string]bool{"between probes": false, "during a probe": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				asked := make(chan struct{})
				r := &Prober{Interval: every, Probe: func(ctx context.Context, c net.Conn) error {
					close(asked)
					return ping(ctx, c)
				}}
				c := &shut{Conn: hung(t)}
				p := begin(t, r, c)
				if wait {
					<-asked
					synctest.Wait()
				}
				c.Close()
				<-p.scheduler.ended
				synctest.Wait()
				if !p.TryLock() {
					t.Error("not free")
				}
			})
		})
	}
}

func TestAProbeThatClosesTheConnectionAtItsTimeoutHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &Prober{Interval: every, Timeout: limit, Probe: func(ctx context.Context, c net.Conn) error {
			<-ctx.Done()
			c.Close()
			_, err := c.Read(make([]byte, 1))
			return err
		}}
		found := make(deaths, 1)
		beginWith(t, r, &shut{Conn: hung(t)}, found.add)
		if dead := <-found; dead.Cause != health.HeartbeatFailed {
			t.Errorf("dead: %v", dead)
		}
	})
}

func TestAConnectionsOwnDeathDoesNotWaitForFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own := &health.DeadError{Cause: health.Reset, Op: "read", Detected: time.Now(), Err: io.EOF}
		r := &Prober{Interval: every, Failures: 5, Probe: func(context.Context, net.Conn) error { return own }}
		found := make(deaths, 1)
		beginWith(t, r, hung(t), found.add)
		if dead := <-found; dead != own {
			t.Errorf("dead: %v", dead)
		}
	})
}

// keeping is a connection that keeps its verdict, as hale.Conn.
type keeping struct {
	net.Conn
	why error
}

func (c keeping) Err() error            { return c.why }
func (c keeping) Done() <-chan struct{} { return nil }

func TestAConnectionThatKnowsItsDeathIsBelieved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own := &health.DeadError{Cause: health.SendTimeout, Op: "write", Err: io.EOF}
		hidden := errors.New("bad connection")
		for c, want := range map[net.Conn]health.Cause{
			wrapped{keeping{hung(t), own}}: health.SendTimeout,
			wrapped{keeping{hung(t), nil}}: health.HeartbeatFailed,
			wrapped{keeping{hung(t), &health.DeadError{Cause: health.LocalClosed, Err: net.ErrClosed}}}: health.HeartbeatFailed,
		} {
			r := &Prober{Interval: every, Probe: func(context.Context, net.Conn) error { return hidden }}
			found := make(deaths, 1)
			beginWith(t, r, c, found.add)
			if dead := <-found; dead.Cause != want {
				t.Errorf("dead: %v, want %v", dead, want)
			}
		}
	})
}

func TestProbesAndOwnersNeverMeet(t *testing.T) {
	t.Parallel()
	const conns, owners = 8, 3
	inUse := make(map[net.Conn]*atomic.Int32)
	use := func(c net.Conn) {
		if n := inUse[c].Add(1); n != 1 {
			t.Errorf("%d users at once", n)
		}
		time.Sleep(10 * time.Microsecond)
		inUse[c].Add(-1)
	}
	var probes atomic.Int32
	r := &Prober{Interval: 100 * time.Microsecond, Probe: func(_ context.Context, c net.Conn) error {
		probes.Add(1)
		use(c)
		return nil
	}}
	var wg sync.WaitGroup
	for range conns {
		c := hung(t)
		inUse[c] = new(atomic.Int32)
	}
	for c := range inUse {
		p := begin(t, r, c)
		for range owners {
			wg.Go(func() {
				for range 50 {
					time.Sleep(100 * time.Microsecond)
					p.Lock()
					use(c)
					p.Unlock()
				}
				time.Sleep(time.Millisecond)
				p.Stop()
				p.Lock()
				use(c)
				p.Unlock()
			})
		}
	}
	wg.Wait()
	if probes.Load() == 0 {
		t.Error("no probes")
	}
	<-r.scheduler.ended
}

func TestAfterStopOfAPulseDeadIsNotCalled(t *testing.T) {
	t.Parallel()
	r := &Prober{Interval: 50 * time.Microsecond, Probe: func(context.Context, net.Conn) error { return io.EOF }}
	c := hung(t)
	var calls atomic.Int32
	for i := range 500 {
		var stopped atomic.Bool
		p := beginWith(t, r, c, func(*health.DeadError) {
			calls.Add(1)
			if stopped.Load() {
				t.Error("called after Stop had returned")
			}
		})
		time.Sleep(time.Duration(i%10) * 10 * time.Microsecond)
		p.Stop()
		stopped.Store(true)
	}
	if calls.Load() == 0 {
		t.Error("Stop was always first")
	}
}

// A t.Fatal in a function of the program's, for one.
func TestAFunctionThatEndsItsGoroutineHoldsNobodyUp(t *testing.T) {
	t.Run("Probe", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			found := make(deaths, 1)
			p := beginWith(t, &Prober{Interval: every, Timeout: limit, Probe: func(context.Context, net.Conn) error {
				runtime.Goexit()
				return nil
			}}, served(t), found.add)
			if dead := <-found; dead.Cause != health.HeartbeatFailed || !errors.Is(dead, errNotReturned) {
				t.Error(dead)
			}
			p.Stop()
		})
	})
	t.Run("After", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			asked := make(chan struct{})
			begin(t, &Prober{Interval: every, Probe: func(context.Context, net.Conn) error { asked <- struct{}{}; return nil },
				After: func(net.Conn) { runtime.Goexit() }}, served(t))
			<-asked
			<-asked
		})
	})
	t.Run("dead", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			failure := errors.New("overloaded")
			called := make(chan struct{})
			p := beginWith(t, &Prober{Interval: every, Probe: func(context.Context, net.Conn) error { return failure }}, served(t),
				func(*health.DeadError) { close(called); runtime.Goexit() })
			<-called
			p.Lock()
			defer p.Unlock()
		})
	})
}
