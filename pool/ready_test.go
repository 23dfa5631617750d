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
)

func TestWaitReadyReturnsWhenMinConnsStand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*Config[*fakeConn], *endpoint)
		prepare func(*testing.T, *endpoint, *Pool[*fakeConn])
		want    time.Duration // from when it was called
	}{
		"none are asked for": {
			change: func(c *Config[*fakeConn], e *endpoint) { c.MinConns = 0; e.setRefuse(errRefused) },
		},
		"they are dialled one after the other": {
			change: func(c *Config[*fakeConn], _ *endpoint) { c.MaxDials = 1 },
			want:   3 * time.Second,
		},
		"they are dialled beside each other": {want: time.Second},
		"they stand already": {
			prepare: func(*testing.T, *endpoint, *Pool[*fakeConn]) { time.Sleep(5 * time.Second) },
		},
		"some are in use": {
			prepare: func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
				time.Sleep(5 * time.Second)
				acquire(t, p)
				acquire(t, p)
			},
		},
		"one has died": {
			prepare: func(t *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
				time.Sleep(20 * time.Second)
				e.all()[0].kill(health.PeerClosed)
			},
			want: time.Second,
		},
		"one has died under its user": {
			prepare: func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
				time.Sleep(20 * time.Second)
				c := acquire(t, p)
				c.Value().kill(health.PeerClosed)
			},
			want: time.Second,
		},
		"one is suspect for a while": {
			prepare: func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
				time.Sleep(20 * time.Second)
				c := e.all()[0]
				c.suspect.Store(true)
				p.maintenance.wakeToTidy()
				time.Sleep(lookEvery / 2)
				time.AfterFunc(time.Second, func() { c.suspect.Store(false) })
			},
			want: time.Second + lookEvery/2,
		},
		"the endpoint is down at first, and nobody wants to wait": {
			change: func(c *Config[*fakeConn], e *endpoint) {
				c.FailFast = true
				e.setRefuse(errRefused)
				time.AfterFunc(time.Minute, func() { e.setRefuse(nil) })
			},
			want: time.Minute + 25*time.Second, // the pauses have grown
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setDelay(time.Second)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MinConns = 3
					if test.change != nil {
						test.change(c, e)
					}
				})
				if test.prepare != nil {
					test.prepare(t, e, p)
				}
				start := time.Now()
				if err := p.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				if took > test.want+2*roundLeast || test.want < time.Minute && took < test.want {
					t.Errorf("ready after %v, want %v", took, test.want)
				}
				if st := p.Stats(); st.Conns < p.config.MinConns {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestWhatIsReadyCanBeHadAtOnce(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MinConns = 3 })
			if err := p.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				defer acquire(t, p).Release()
			}
			if st := p.Stats(); st.Waits != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestWaitReadySaysWhyItIsNot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*endpoint)
		during func(*Pool[*fakeConn])
		want   []error
		text   string
	}{
		"it takes too long":    {change: func(e *endpoint) { e.setDelay(time.Minute) }, want: []error{context.DeadlineExceeded, ErrUnavailable}},
		"the endpoint is down": {change: func(e *endpoint) { e.setRefuse(errRefused) }, want: []error{context.DeadlineExceeded, ErrUnavailable, errRefused}, text: "last dial: connection refused"},
		"the endpoint is full": {change: func(e *endpoint) { e.allow(1) }, want: []error{context.DeadlineExceeded}},
		"the pool is closed": {
			change: func(e *endpoint) { e.setDelay(time.Minute) },
			during: func(p *Pool[*fakeConn]) { p.Close() },
			want:   []error{ErrClosed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				test.change(e)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 2 })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						err := p.WaitReady(ctx)
						for _, want := range test.want {
							if !errors.Is(err, want) {
								t.Errorf("%v does not match %v", err, want)
							}
						}
						if err == nil || !strings.Contains(err.Error(), test.text) || !SafeToRetry(err) {
							t.Errorf("%v", err)
						}
					})
				}
				if test.during != nil {
					synctest.Wait()
					test.during(p)
				}
				wg.Wait()
			})
		})
	}
}

func TestWaitReadyLooksOnlyWhenThereIsNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(errRefused)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = p.WaitReady(ctx) }()
		synctest.Wait()
		waits := p.news.next()
		time.Sleep(time.Hour - time.Second)
		if p.news.next() != waits {
			t.Error("it was woken, and nothing had come")
		}
		e.setRefuse(nil)
	})
}
