package pool

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/health"
)

// snapScene is a pool named orders of two connections at the most, one of which has been used.
func snapScene(t *testing.T, change func(*Config[*fakeConn])) waitScene {
	e := new(endpoint)
	p := newPool(t, e, func(c *Config[*fakeConn]) {
		c.Name, c.MaxConns = "orders", 2
		c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
		if change != nil {
			change(c)
		}
	})
	acquire(t, p).Release()
	return waitScene{t, e, p}
}

func TestASnapshotSaysWhatThePoolIsDoing(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		change func(*Config[*fakeConn])
		until  func(s waitScene)
		since  time.Duration // before the snapshot; -1 is never
	}{
		"well":    {until: func(s waitScene) { time.Sleep(time.Second) }, since: -1},
		"suspect": {until: func(s waitScene) { s.e.all()[0].suspect.Store(true) }, since: -1},
		"busy": {func(c *Config[*fakeConn]) { c.MaxConns = 1 }, func(s waitScene) {
			c := acquire(s.T, s.p)
			s.Cleanup(c.Release)
			s.others(2)
			time.Sleep(4 * time.Second)
		}, 4 * time.Second},
		"full": {func(c *Config[*fakeConn]) { c.MinConns, c.MaxConns = 2, 3 }, func(s waitScene) {
			synctest.Wait()
			s.e.setRefuse(errFull)
			first, second := acquire(s.T, s.p), acquire(s.T, s.p)
			s.Cleanup(first.Release)
			got := make(chan Conn[*fakeConn], 1)
			go func() {
				c, _ := s.p.Acquire(s.Context())
				got <- c
			}()
			synctest.Wait() // what was dialled for it has failed
			second.Release()
			c := <-got
			if err := ask(c.Value()); err != nil { // and yet the endpoint replies
				s.Error(err)
			}
			c.Release()
			time.Sleep(500 * time.Millisecond)
		}, 500 * time.Millisecond},
		"probing": {func(c *Config[*fakeConn]) { c.CheckTimeout = time.Minute }, func(s waitScene) {
			s.e.setRefuse(errFull)
			c := acquire(s.T, s.p)
			s.Cleanup(c.Release)
			s.others(1)
			time.Sleep(time.Second / 2)
		}, time.Second / 2},
		"outage": {until: func(s waitScene) { s.silence(); time.Sleep(time.Second / 2) }, since: 3500 * time.Millisecond},
		"closed": {until: func(s waitScene) { s.silence(); s.p.Close() }, since: -1},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := snapScene(t, test.change)
				test.until(s)
				got := s.p.Snapshot()
				since := time.Duration(-1)
				if !got.Since.IsZero() {
					since = got.At.Sub(got.Since)
				}
				if got.State != want || since != test.since || got.Name != "orders" {
					t.Errorf("%s %q since %v, want %s since %v: %+v", got.Name, got.State, since, want, test.since, got)
				}
			})
		})
	}
}

func TestASnapshotHasTheOutagesAndTheirDials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := snapScene(t, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		start := time.Now()
		s.e.setRefuse(errRefused)
		s.silence()
		time.Sleep(2500 * time.Millisecond)
		during := s.p.Snapshot()
		if o := during.Outages; len(o) != 1 || !o[0].Ended.IsZero() || len(o[0].Dials) != 2 {
			t.Fatalf("while it lasts: %+v", during)
		}
		if during.Attempt != 2 || during.Trying || during.NextTry.Sub(start) != 3*time.Second || !errors.Is(during.Dial, errRefused) {
			t.Errorf("attempt %d, under way %v, next in %v, %v", during.Attempt, during.Trying, during.NextTry.Sub(start), during.Dial)
		}
		s.e.setRefuse(nil)
		time.Sleep(time.Second)
		after := s.p.Snapshot()
		if o := after.Outages; len(o) != 1 || !o[0].Healed || o[0].ID != 1 || o[0].Attempts != 3 || len(o[0].Dials) != 3 {
			t.Fatalf("afterwards: %+v", after)
		}
		for i, at := range after.Outages[0].Dials {
			if got, want := at.Sub(start), time.Duration(i+1)*time.Second; got != want {
				t.Errorf("dial %d ended after %v, want %v", i+1, got, want)
			}
		}
		if after.Attempt != 0 || !after.NextTry.IsZero() || after.Dial != nil || after.State != "well" {
			t.Errorf("afterwards: %+v", after)
		}
	})
}

func TestTheHistoryOfAPoolIsBounded(t *testing.T) {
	t.Parallel()
	var o outages
	for range 3 * outagesKept {
		for range 3 * dialsKept {
			o.failed(errRefused, time.Now(), 0)
		}
		o.succeeded()
		o.end(true)
	}
	if len(o.past) != outagesKept || o.past[len(o.past)-1].ID != 3*outagesKept {
		t.Errorf("%d outages are kept, the last is %+v", len(o.past), o.past[len(o.past)-1])
	}
	for _, past := range o.past {
		if len(past.Dials) != dialsKept || past.Attempts != 3*dialsKept+1 {
			t.Errorf("%d dials are kept, of %d", len(past.Dials), past.Attempts)
		}
	}
}

func TestASnapshotTellsOfEachConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := snapScene(t, func(c *Config[*fakeConn]) { c.MaxConns, c.LeakAfter = 4, time.Hour })
		first := acquire(t, s.p)
		second := acquire(t, s.p)
		third := acquire(t, s.p)
		third.Release()
		second.Release()
		s.e.all()[2].suspect.Store(true)
		time.Sleep(2 * time.Second)
		got := s.p.Snapshot()
		type row struct {
			state   string
			suspect bool
			uses    uint64
			held    time.Duration
		}
		for i, want := range []row{{"in_use", false, 2, 2 * time.Second}, {"idle", false, 1, 0}, {"quarantined", true, 1, 0}} {
			c := got.Conns[i]
			if (row{c.State, c.Suspect, c.Uses, c.Held}) != want || c.Number != uint64(i)+1 || c.Conn != s.e.all()[i] || time.Since(c.Opened) != 2*time.Second {
				t.Errorf("connection %d is %+v, want %+v", i+1, c, want)
			}
		}
		if stack := got.Conns[0].Stack; !strings.Contains(stack, "TestASnapshotTellsOfEachConnection") {
			t.Errorf("held by %q", stack)
		}
		if st := got.Stats; len(got.Conns) != 3 || st.InUse != 1 || st.Idle != 1 || st.Quarantined != 1 || st.Conns != 3 || st.Acquires != 4 {
			t.Errorf("%d connections: %+v", len(got.Conns), st)
		}
		s.e.all()[0].kill(health.Reset)
		if c := s.p.Snapshot().Conns[0]; c.State != "in_use" || c.Leaves != ReasonDead || got.Conns[0].Leaves != "" {
			t.Errorf("dead, and held: %+v", c)
		}
		first.Release()
		if c := s.p.Snapshot().Conns[0]; c.Number != 2 || c.Held != 0 || c.Stack != "" {
			t.Errorf("released: %+v", c)
		}
	})
}

// What is counted and what is listed are of one moment, whatever goes on.
func TestASnapshotAgreesWithItself(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	p := newPool(t, e, func(c *Config[*fakeConn]) {
		c.MaxConns = 8
		c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(time.Millisecond) }
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c, err := p.Acquire(ctx)
				if err != nil {
					continue
				}
				if n%64 == 0 {
					c.Value().kill(health.KeepAliveTimeout)
				}
				c.Release()
			}
		})
	}
	for ctx.Err() == nil {
		s := p.Snapshot()
		counts := map[string]int{}
		for _, c := range s.Conns {
			counts[c.State]++
		}
		if counts["in_use"] != s.Stats.InUse || counts["quarantined"] != s.Stats.Quarantined || len(s.Conns) != s.Stats.Conns {
			t.Errorf("listed are %v of %d, counted %+v", counts, len(s.Conns), s.Stats)
		}
		if running := len(s.Outages) > 0 && s.Outages[len(s.Outages)-1].Ended.IsZero(); running != (s.State == "outage") {
			t.Errorf("%s, and the last outage of %+v", s.State, s.Outages)
		}
	}
	wg.Wait()
}

func BenchmarkSnapshot(b *testing.B) {
	e := new(endpoint)
	p, err := New(Config[*fakeConn]{Dial: e.dial, Open: openFake, MaxConns: 1000, MinConns: 1000})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for p.Stats().Conns < 1000 {
		time.Sleep(time.Millisecond)
	}
	for b.Loop() {
		p.Snapshot()
	}
}
