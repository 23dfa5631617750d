package otelhale

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// What belongs to which outage is for the pool to say, whatever the clock says.
func TestALatecomerIsCountedAtOnceAndIsNotOfTheNextOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		e := new(endpoint)
		p, _ := newPool(t, r.telemetry, e, func(c *pool.Config[*fakeConn]) { c.MinConns = 2 })
		synctest.Wait()
		late := acquire(t, t.Context(), p)
		e.conns[0].kill(health.KeepAliveTimeout)
		e.conns[1].kill(health.KeepAliveTimeout)
		time.Sleep(time.Second)
		late.Release()
		time.Sleep(time.Second)
		late = acquire(t, t.Context(), p)
		if n := len(r.all("outage orders")); n != 1 {
			t.Fatalf("%d outages ended", n)
		}
		late.Value().kill(health.SendTimeout) // silent for three seconds: since before the end
		late.Release()
		if n := r.series("hale.deaths", "hale.cause=send_timeout hale.pool.name=orders").value; n != 1 {
			t.Errorf("%v deaths", n)
		}
		time.Sleep(time.Hour)
		e.set(errDialRefused, 0)
		p.Invalidate("test")
		time.Sleep(time.Second)
		e.set(nil, 0)
		time.Sleep(time.Minute)
		outages := r.all("outage orders")
		if len(outages) != 2 || len(events(outages[1], "hale.lost")) != 0 {
			t.Errorf("%d outages, the last with %+v", len(outages), outages[len(outages)-1].Events)
		}
		if n := r.series("hale.deaths", "hale.cause=send_timeout hale.pool.name=orders").value; n != 1 {
			t.Errorf("%v deaths", n)
		}
	})
}

// onStart calls a function when a span of a name begins.
type onStart struct {
	name string
	f    func()
}

func (s onStart) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	if strings.HasPrefix(span.Name(), s.name) {
		s.f()
	}
}
func (onStart) OnEnd(sdktrace.ReadOnlySpan)      {}
func (onStart) Shutdown(context.Context) error   { return nil }
func (onStart) ForceFlush(context.Context) error { return nil }

func TestAReconnectThatBeginsWhileItsOutageEndsEndsAsWell(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	info := pool.Outage{ID: 1, Began: now, Detected: now, Dial: errDialRefused}
	o.OutageBegin(info)
	info.Ended = now.Add(time.Second)
	r.provider.RegisterSpanProcessor(onStart{"reconnect", func() { o.OutageEnd(info) }})
	o.ReconnectStart(t.Context(), pool.ReconnectStartInfo{Outage: 1, Attempt: 1})
	o.ReconnectDone(t.Context(), pool.ReconnectDoneInfo{Outage: 1, Attempt: 1, Err: errDialRefused})
	r.one("reconnect orders") // has ended
	o.Closed()
	r.one("reconnect orders")
}

func TestAnOutageEndsOnce(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	info := pool.Outage{ID: 1, Began: now, Detected: now, Dial: errDialRefused}
	o.OutageBegin(info)
	running := orders.current()
	info.Ended = now.Add(time.Second)
	o.OutageEnd(info)
	orders.finish(running, orders.soFar(running)) // as the end of the pool does, which has seen it run
	r.one("outage orders")
	if n := r.series("hale.outage.duration", "error.type=connection_refused hale.pool.name=orders").count; n != 1 {
		t.Errorf("%d outages", n)
	}
}
