package pool

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestResizeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.MinIdleConns = 8, 2, 3 })
	small := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns = 8, 2 })
	type row struct {
		p    *Pool[*fakeConn]
		n    int
		want string
	}
	rows := map[string]row{
		"negative":         {p, -1, "pool: MaxConns -1: must be at least 1"},
		"none":             {p, 0, "pool: MaxConns 0: must be at least 1"},
		"below a minimum":  {small, 1, "pool: MaxConns 1: below MinConns, 2"},
		"below idle ones":  {p, 2, "pool: MaxConns 2: below MinIdleConns, 3"},
		"just the minimum": {p, 3, ""},
		"the most":         {small, math.MaxInt32, ""},
	}
	if strconv.IntSize > 32 {
		rows["too many"] = row{p, int(tooMany), "pool: MaxConns 2147483648: above 2147483647"}
	}
	for name, test := range rows {
		before := test.p.Stats().MaxConns
		err := test.p.Resize(test.n)
		if test.want == "" {
			if err != nil || test.p.Stats().MaxConns != test.n {
				t.Errorf("%s: %v, %+v", name, err, test.p.Stats())
			}
			continue
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if name != "below idle ones" && before != 8 && before != 3 && before != math.MaxInt32 {
			t.Errorf("%s: changed to %d", name, before)
		}
	}
	p.Close()
	if err := p.Resize(4); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestGrowingServesThoseWhoWaitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(time.Millisecond)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		held := acquire(t, p)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { defer acquire(t, p).Release() })
		}
		synctest.Wait()
		start := time.Now()
		if err := p.Resize(4); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if took := time.Since(start); took != time.Millisecond {
			t.Errorf("served after %v, which is not one dial", took)
		}
		held.Release()
		if st := p.Stats(); st.MaxConns != 4 || st.Conns > 4 || st.Conns < 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestGrowingHasThePoolReconnectThatHadNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinIdleConns = 2, 1 })
		a, b := acquire(t, p), acquire(t, p)
		synctest.Wait()
		if err := p.Resize(3); err != nil {
			t.Fatal(err)
		}
		time.Sleep(roundLeast)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Conns != 3 {
			t.Errorf("MinIdleConns is not kept: %+v", st)
		}
		a.Release()
		b.Release()
	})
}

func TestShrinkingClosesWhatIsTooMany(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		idle, inUse, to int
		first           int64 // closed at once
		last            int64 // and once all were released
	}{
		"all are idle":              {idle: 6, to: 2, first: 4, last: 4},
		"there are none too many":   {idle: 2, inUse: 2, to: 4},
		"idle ones go first":        {idle: 3, inUse: 3, to: 4, first: 2, last: 2},
		"all idle ones are too few": {idle: 2, inUse: 4, to: 1, first: 2, last: 5},
		"all are in use":            {inUse: 6, to: 3, last: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 6 })
				var idle, inUse []Conn[*fakeConn]
				for range test.inUse {
					inUse = append(inUse, acquire(t, p))
				}
				for range test.idle {
					idle = append(idle, acquire(t, p))
				}
				var values []*fakeConn
				for _, c := range idle {
					values = append(values, c.Value())
					c.Release()
				}
				if err := p.Resize(test.to); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if st := p.Stats(); st.Recycled[ReasonSurplus] != test.first || st.InUse != test.inUse {
					t.Errorf("at once: %+v", st)
				}
				for i, c := range values {
					if gone := c.closed.Load(); gone != (i < int(test.first)) {
						t.Errorf("idle connection %d, used in this order: closed: %v", i, gone)
					}
				}
				for _, c := range inUse {
					if c.Value().closed.Load() {
						t.Error("one in use was closed")
					}
					c.Release()
				}
				synctest.Wait()
				if st := p.Stats(); st.Recycled[ReasonSurplus] != test.last || len(st.Recycled) > 1 || st.Conns != min(test.to, test.idle+test.inUse) {
					t.Errorf("in the end: %+v", st)
				}
				for range test.to { // and none of those that are left is closed for it
					defer acquire(t, p).Release()
				}
				if st := p.Stats(); st.Recycled[ReasonSurplus] != test.last {
					t.Errorf("afterwards: %+v", st)
				}
			})
		})
	}
}

func TestWhatIsDialledWhileThePoolShrinksIsClosedIfItIsTooMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setDelay(time.Second)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns, c.MaxDials, c.StableAfter = 1, 4, 1 })
		time.Sleep(2 * time.Second)
		held := acquire(t, p)
		for range 3 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, _ = p.Acquire(ctx)
			}()
		}
		synctest.Wait()
		if err := p.Resize(2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Dials != 4 || st.Conns != 2 || st.Recycled[ReasonSurplus] != 2 {
			t.Errorf("%+v", st)
		}
		held.Release()
	})
}

func TestAReplyEndsAnOutageForWhichAShrunkPoolHasNoRoomToDial(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		check bool
		use   bool
		ends  bool
	}{
		"a use":            {use: true, ends: true},
		"a check":          {check: true, ends: true},
		"nobody has asked": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns = 2
					if test.check {
						c.Check = e.check
					}
				})
				a, b := acquire(t, p), acquire(t, p)
				first := a.Value()
				a.Release()
				b.Release()
				synctest.Wait()
				first.kill(health.KeepAliveTimeout)
				if err := p.Resize(1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if test.use {
					c := acquire(t, p)
					if err := ask(c.Value()); err != nil {
						t.Fatal(err)
					}
					c.Release()
				}
				time.Sleep(time.Second)
				if st := p.Stats(); st.Down == test.ends || st.Outages == 1 != test.ends || st.Dials != 2 || st.Conns != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestGrowingAgainForgivesWhatIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), nil)
		held := []Conn[*fakeConn]{acquire(t, p), acquire(t, p), acquire(t, p)}
		for _, n := range []int{1, 4} {
			if err := p.Resize(n); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range held {
			c.Release()
		}
		synctest.Wait()
		if st := p.Stats(); st.Idle != 3 || len(st.Recycled) != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestMaxWaitersAndDoGoByTheNewSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 1, 1 })
		if err := p.Resize(2); err != nil {
			t.Fatal(err)
		}
		a, b := acquire(t, p), acquire(t, p)
		done := make(chan struct{})
		go func() { defer close(done); acquire(t, p).Release() }()
		synctest.Wait()
		if _, err := p.Acquire(t.Context()); !errors.Is(err, ErrTooManyWaiters) {
			t.Error(err)
		}
		a.Release()
		b.Release()
		<-done
		tries := 0
		_ = p.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
			tries++
			c.kill(causes[0])
			return c.Err()
		})
		if tries != 3 {
			t.Errorf("Do tried %d times with MaxConns 2", tries)
		}
	})
}
