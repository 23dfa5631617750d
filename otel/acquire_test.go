package otelhale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"

	"example.com/hale/health"
	"example.com/hale/pool"
)

func TestAnAcquireThatWaitsIsLinkedToItsOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		outageThatHeals(t, r, health.KeepAliveTimeout)
		acquire, outage := r.one("acquire orders"), r.one("outage orders")
		if !acquire.Parent.Equal(r.one("second request").SpanContext) {
			t.Error("not in the request")
		}
		has(t, "acquire", acquire.Attributes, map[string]any{"hale.pool.name": "orders", "hale.acquire.wait": 4.04, "hale.acquire.waiting": 1, "hale.outage.id": 1, "error.type": nil})
		if len(acquire.Links) != 1 || !acquire.Links[0].SpanContext.Equal(outage.SpanContext) {
			t.Errorf("links %+v", acquire.Links)
		} else {
			has(t, "link", acquire.Links[0].Attributes, map[string]any{"hale.link": "outage"})
		}
		if acquire.Status.Code != codes.Unset {
			t.Errorf("%+v", acquire.Status)
		}
		if w := r.series("hale.acquire.duration", "hale.pool.name=orders"); w.count != 1 || w.value != 4.04 {
			t.Errorf("%+v", w)
		}
	})
}

func TestTheDialForAnAcquireIsInItsSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p, _ := newPool(t, r.telemetry, &endpoint{delay: time.Second}, nil)
		ctx, request := r.user().Start(t.Context(), "request")
		acquire(t, ctx, p).Release()
		request.End()
		wait := r.one("acquire orders")
		if dial := r.one("connect " + address); !dial.Parent.Equal(wait.SpanContext) {
			t.Error("the dial is not in the acquire")
		}
		if len(wait.Links) != 0 {
			t.Errorf("linked to %+v", wait.Links)
		}
	})
}

func TestAnAcquireThatHitsMakesNoSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p, _ := newPool(t, r.telemetry, new(endpoint), func(c *pool.Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		r.spans.Reset()
		for range 10 {
			acquire(t, t.Context(), p).Release()
		}
		if spans := r.spans.GetSpans(); len(spans) != 0 {
			t.Errorf("%s", r.waterfall())
		}
		if n := r.series("hale.acquires", "hale.acquire.waited=false hale.pool.name=orders").value; n != 10 {
			t.Errorf("%v hits were counted", n)
		}
		if m, ok := r.metrics()["hale.acquire.duration"]; ok {
			t.Errorf("%+v", m)
		}
	})
}

func TestEveryAcquireIsInTheHistogramOnWish(t *testing.T) {
	for name, test := range map[string]struct {
		options []Option
		own, db uint64 // of one that waits and ten that do not
	}{
		"only those that waited": {nil, 1, 0},
		"by both names":          {[]Option{WithDBClientMetrics()}, 1, 1},
		"all of them":            {[]Option{WithEveryAcquire()}, 11, 0},
		"all of them by both names, without a span": {[]Option{WithEveryAcquire(), WithDBClientMetrics(), WithoutSpans("acquire")}, 11, 11},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t, test.options...)
				p, _ := newPool(t, r.telemetry, &endpoint{delay: time.Second}, nil)
				for range 11 {
					acquire(t, t.Context(), p).Release()
				}
				if w := r.series("hale.acquire.duration", "hale.pool.name=orders"); w.count != test.own || w.value != 1 {
					t.Errorf("%+v", w)
				}
				if test.db == 0 {
					return
				}
				if w := r.series("db.client.connection.wait_time", "db.client.connection.pool.name=orders"); w.count != test.db || w.value != 1 {
					t.Errorf("%+v", w)
				}
			})
		})
	}
}

// The text of an error has numbers that nobody bounds.
func TestAFailedAcquireIsCountedByTheClosedList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, WithEveryAcquire(), WithDBClientMetrics())
		p, _ := newPool(t, r.telemetry, new(endpoint), func(c *pool.Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 1, 2 })
		defer acquire(t, t.Context(), p).Release()
		var wg sync.WaitGroup
		for i := range 4 { // two wait, and two cannot
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*time.Second)
				defer cancel()
				_, _ = p.Acquire(ctx)
			})
		}
		wg.Wait()
		var got []string
		for _, s := range points(r.metrics()["hale.acquire.duration"]) {
			got = append(got, fmt.Sprintf("%s: %d", s.attrs, s.count))
		}
		slices.Sort(got)
		want := []string{
			"error.type=timeout hale.pool.name=orders: 2",
			"error.type=too_many_waiters hale.pool.name=orders: 2",
			"hale.pool.name=orders: 1",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestAnAcquireThatWaitsInVainSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error
		want string
	}{
		{"timeout", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			if _, err := p.Acquire(ctx); err != nil { // the idle one, without a wait
				return err
			}
			e.set(nil, time.Hour)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.Acquire(ctx)
			return err
		}, "timeout"},
		{"no dial has ended", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			e.set(nil, time.Hour)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.Acquire(ctx)
			return err
		}, "unavailable"},
		{"canceled before a dial has ended", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			e.set(nil, time.Hour)
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			_, err := p.Acquire(ctx)
			return err
		}, "unavailable"},
		{"canceled", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			all := p.AcquireAllIdle(ctx)
			defer all[0].Release()
			e.set(nil, time.Hour)
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			_, err := p.Acquire(ctx)
			return err
		}, "canceled"},
		{"unavailable", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			e.set(errDialRefused, 0)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.Acquire(ctx)
			return err
		}, "unavailable"},
		{"closed", func(ctx context.Context, e *endpoint, p *pool.Pool[*fakeConn]) error {
			e.set(nil, time.Hour)
			time.AfterFunc(time.Second, p.Close)
			_, err := p.Acquire(ctx)
			return err
		}, "pool_closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t, WithDBClientMetrics())
				e := new(endpoint)
				p, _ := newPool(t, r.telemetry, e, func(config *pool.Config[*fakeConn]) {
					if c.want == "timeout" || c.want == "canceled" {
						config.MinConns = 1
					}
				})
				synctest.Wait()
				if err := c.run(t.Context(), e, p); err == nil {
					t.Fatal("got a connection")
				}
				synctest.Wait()
				span := r.one("acquire orders")
				has(t, "acquire", span.Attributes, map[string]any{"error.type": c.want})
				if span.Status.Code != codes.Error {
					t.Errorf("%+v", span.Status)
				}
				if len(span.Events) != 0 {
					t.Errorf("the error was recorded as %+v", span.Events)
				}
				if n := r.series("hale.acquire.duration", "error.type="+c.want+" hale.pool.name=orders").count; n != 1 {
					t.Errorf("%d acquires", n)
				}
			})
		})
	}
}

// The span of the wait has ended by then: the request's is the one to tell.
func TestARequestThatHadWaitedIsToldToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p, _ := newPool(t, r.telemetry, new(endpoint), nil)
		ctx, request := r.user().Start(t.Context(), "request")
		held := acquire(t, ctx, p)
		held.Value().kill(health.KeepAliveTimeout)
		held.Release()
		request.End()
		if told := events(r.one("request"), "hale.detected"); len(told) != 1 {
			t.Errorf("%+v", told)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if links := r.one("outage orders").Links; len(links) != 1 || !links[0].SpanContext.Equal(request.SpanContext()) {
			t.Errorf("%+v", links)
		}
	})
}

func TestErrorTypesAreInTheClosedList(t *testing.T) {
	known := make(map[string]bool)
	for _, e := range errorTypes {
		known[e] = true
	}
	for c := range health.Causes() {
		known[c.String()] = true
		if got := errorType(&health.DeadError{Cause: c}); got != c.String() {
			t.Errorf("%v is %q", c, got)
		}
	}
	for e := range known {
		if _, ok := newLabels(nil).errors[e]; !ok {
			t.Errorf("no series for %s", e)
		}
	}
	for _, c := range errorCases() {
		got := errorType(c.err)
		if got != c.want || !known[got] {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
	if _, ok := newLabels(nil).errors[errorType(errors.New("x"))]; !ok {
		t.Error("no series for what is unknown")
	}
}
