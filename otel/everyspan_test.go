package otelhale

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// open counts the spans that have begun and not ended, by name.
type open struct {
	mu   sync.Mutex
	open map[string]int
}

func (o *open) count(s sdktrace.ReadOnlySpan, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[s.Name()] += n
	if o.open[s.Name()] == 0 {
		delete(o.open, s.Name())
	}
}

func (o *open) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { o.count(s, 1) }
func (o *open) OnEnd(s sdktrace.ReadOnlySpan)                       { o.count(s, -1) }
func (o *open) Shutdown(context.Context) error                      { return nil }
func (o *open) ForceFlush(context.Context) error                    { return nil }

// Whatever happens to an endpoint, and whenever the pool is closed, nothing that has
// begun goes on afterwards, and each outage is recorded once.
func TestEverySpanThatBeginsEndsWithThePool(t *testing.T) {
	for range 150 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			r, spans, told := record(t), &open{open: make(map[string]int)}, 0
			r.provider.RegisterSpanProcessor(spans)
			rnd := rand.New(rand.NewPCG(seed, 1))
			e := new(endpoint)
			p, _ := newPool(t, r.telemetry, e, func(c *pool.Config[*fakeConn]) {
				c.MinConns, c.MaxConns = rnd.IntN(3), 2+rnd.IntN(3)
				c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(20 * time.Millisecond) }
				c.Observer = pool.Tee(c.Observer, &pool.Observer{OutageEnd: func(pool.Outage) { told++ }})
			})
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 1 + rnd.IntN(5) {
				own := rand.New(rand.NewPCG(seed, rnd.Uint64()))
				wg.Go(func() {
					for ctx.Err() == nil {
						ctx, end := context.WithTimeout(ctx, time.Duration(1+own.IntN(100))*time.Millisecond)
						ctx, span := r.user().Start(ctx, "request")
						_ = p.Do(ctx, func(context.Context, *fakeConn) error {
							time.Sleep(time.Duration(own.IntN(10)) * time.Millisecond)
							return nil
						})
						span.End()
						end()
						time.Sleep(time.Millisecond)
					}
				})
			}
			for range rnd.IntN(60) {
				time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
				misfortune(rnd, e, p)
			}
			if rnd.IntN(2) == 0 {
				go func() { _, _ = p.Shutdown(ctx) }()
				time.Sleep(time.Duration(rnd.IntN(3)) * time.Millisecond)
				misfortune(rnd, e, p)
			}
			p.Close()
			leave()
			wg.Wait()
			synctest.Wait()
			if len(spans.open) > 0 {
				t.Errorf("not ended: %v", spans.open)
			}
			if outages, detections := len(r.all("outage orders")), len(r.all("detection orders")); outages != told || detections != told {
				t.Errorf("%d outages, %d spans, %d of the detection", told, outages, detections)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// misfortune has something happen to an endpoint, or to all connections of it.
func misfortune(r *rand.Rand, e *endpoint, p *pool.Pool[*fakeConn]) {
	causes := []health.Cause{health.KeepAliveTimeout, health.Reset, health.PeerClosed}
	cause := causes[r.IntN(len(causes))]
	switch r.IntN(8) {
	case 0, 1:
		e.set(errDialRefused, time.Duration(r.IntN(20))*time.Millisecond)
	case 2, 3:
		e.set(nil, time.Duration(r.IntN(20))*time.Millisecond)
	case 4:
		p.Invalidate("test")
	default:
		e.mu.Lock()
		conns := e.conns[max(0, len(e.conns)-1-r.IntN(4)):]
		e.mu.Unlock()
		for _, c := range conns {
			if c.Err() == nil {
				c.kill(cause)
			}
		}
	}
}

// A dial that was under way already, or a reply, ends an outage under the one that
// reconnects: the pool was not closed.
func TestAReconnectThatAnotherDialHasSparedIsNoFailure(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	info := pool.Outage{ID: 1, Began: now, Detected: now, Dial: errDialRefused}
	o.OutageBegin(info)
	ctx := o.ReconnectStart(t.Context(), pool.ReconnectStartInfo{Outage: 1, Attempt: 1})
	o.ReconnectDone(ctx, pool.ReconnectDoneInfo{Outage: 1, Attempt: 1, Err: errDialRefused})
	info.Ended, info.Healed = now.Add(time.Second), true
	o.OutageEnd(info)
	o.Closed()
	reconnect := r.one("reconnect orders")
	if reconnect.Status.Code != codes.Unset {
		t.Errorf("%+v", reconnect.Status)
	}
	has(t, "reconnect", reconnect.Attributes, map[string]any{"error.type": nil, "hale.reconnect.attempts": 1})
}
