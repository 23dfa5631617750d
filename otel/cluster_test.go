package otelhale

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// hosts are servers in memory, by address.
type hosts map[string]*endpoint

// newCluster is a cluster named orders of hosts, with its telemetry. The role of a host
// is what roles has.
func newCluster(t *testing.T, r *recorder, h hosts, roles func(address string) cluster.Role) (*cluster.Cluster[*fakeConn], *ClusterTelemetry) {
	t.Helper()
	orders, err := r.telemetry.Cluster("orders")
	if err != nil {
		t.Fatal(err)
	}
	var all []cluster.Endpoint
	for address := range h {
		all = append(all, cluster.Endpoint{Address: address})
	}
	var at sync.Map // the address of a *fakeConn
	config := cluster.Config[*fakeConn]{
		Name:    orders.Name(),
		Resolve: func(context.Context) ([]cluster.Endpoint, error) { return all, nil },
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			c, err := h[e.Address].dial(ctx)
			if err == nil {
				at.Store(c, e.Address)
			}
			return c, err
		},
		Pool:         pool.Config[*fakeConn]{Open: func(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil }},
		MaxConns:     100,
		PoolObserver: orders.PoolObserver,
		Observer:     orders.Observer(),
	}
	if roles != nil {
		config.Role = func(_ context.Context, c *fakeConn) (cluster.Role, error) {
			address, _ := at.Load(net.Conn(c))
			return roles(address.(string)), c.Err()
		}
	}
	c, err := cluster.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := orders.Register(c); err != nil {
		t.Fatal(err)
	}
	return c, orders
}

func TestAFailoverIsASpanFromTheSilenceToTheFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		h := hosts{"a:1": {}, "b:1": {}}
		var primary atomic.Value
		primary.Store("a:1")
		c, _ := newCluster(t, r, h, func(address string) cluster.Role {
			if address == primary.Load() {
				return cluster.Primary
			}
			return cluster.Replica
		})
		write := func() {
			t.Helper()
			if err := c.Do(cluster.Want(t.Context(), cluster.Primary), func(context.Context, *fakeConn) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		write()
		synctest.Wait()
		time.Sleep(time.Minute)
		h["a:1"].set(errDialRefused, 0)
		detected := time.Now()
		h["a:1"].mu.Lock()
		conns := append([]*fakeConn{}, h["a:1"].conns...)
		h["a:1"].mu.Unlock()
		for _, conn := range conns {
			conn.kill(health.KeepAliveTimeout)
		}
		primary.Store("b:1")
		time.Sleep(2 * time.Second)
		write()
		c.Close()
		span := r.one("failover orders")
		if !span.StartTime.Equal(detected.Add(-3*time.Second)) || span.EndTime.Sub(detected) != 2*time.Second {
			t.Errorf("from %v to %v, detected at %v", span.StartTime, span.EndTime, detected)
		}
		got := map[attribute.Key]attribute.Value{}
		for _, a := range span.Attributes {
			got[a.Key] = a.Value
		}
		if got[keyFailoverFrom].AsString() != "a:1" || got[keyFailoverTo].AsString() != "b:1" || got[keyFailoverCause].AsString() != "outage" ||
			!got[keyFailoverHealed].AsBool() || got[keyFailoverDuration].AsFloat64() != 5 || got[keyDetection].AsFloat64() != 3 {
			t.Error(got)
		}
		if len(span.Links) != 1 || span.Links[0].SpanContext.TraceID() != r.one("outage orders").SpanContext.TraceID() {
			t.Errorf("links: %v", span.Links)
		}
		if v := r.series("hale.failover.duration", "hale.failover.cause=outage hale.pool.name=orders"); v.count != 1 || v.value != 5 {
			t.Error(v)
		}
	})
}

func TestTheNumbersOfAClusterAreByEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		h := hosts{"a:1": {}, "b:1": {}}
		c, orders := newCluster(t, r, h, nil)
		for range 6 {
			if _, err := c.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		orders.Observer().Ejected(cluster.EjectedInfo{Endpoint: cluster.Endpoint{Address: "a:1"}, Why: "slow"})
		orders.Observer().Resolved(cluster.ResolvedInfo{Err: context.DeadlineExceeded})
		total := 0.0
		for _, at := range []string{"a:1", "b:1"} {
			total += r.series("hale.connection.count", "hale.connection.state=used hale.endpoint="+at+" hale.pool.name=orders").value
			if v := r.series("hale.outage.active", "hale.endpoint="+at+" hale.pool.name=orders").value; v != 0 {
				t.Errorf("%v outages", v)
			}
		}
		if total != 6 {
			t.Errorf("%v connections are used", total)
		}
		for _, want := range []struct {
			name, attrs string
			value       float64
		}{
			{"hale.connection.limit", "hale.pool.name=orders", 100},
			{"hale.connection.pending_acquires", "hale.pool.name=orders", 0},
			{"hale.endpoint.count", "hale.endpoint.state=up hale.pool.name=orders", 2},
			{"hale.endpoint.count", "hale.endpoint.state=ejected hale.pool.name=orders", 0},
			{"hale.ejections", "hale.ejection.reason=slow hale.endpoint=a:1 hale.pool.name=orders", 1},
			{"hale.resolve.failures", "hale.pool.name=orders", 1},
			{"hale.retries", "hale.pool.name=orders hale.retry.outcome=sent", 0},
			{"hale.retries", "hale.pool.name=orders hale.retry.outcome=denied", 0},
		} {
			if got := r.series(want.name, want.attrs).value; got != want.value {
				t.Errorf("%s{%s} is %v, want %v", want.name, want.attrs, got, want.value)
			}
		}
		c.Close()
		if again, err := r.telemetry.Pool("orders"); err != nil {
			t.Error(err)
		} else if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlySoManyEndpointsAreNamed(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Cluster("orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.telemetry.Cluster("orders"); err == nil {
		t.Error("the name is taken")
	}
	if _, err := r.telemetry.Cluster(""); err == nil {
		t.Error("a cluster without a name")
	}
	st := &fixedStats{}
	if err := orders.Register(st); err != nil {
		t.Fatal(err)
	}
	if err := orders.Register(st); err == nil {
		t.Error("twice")
	}
	const all = endpointsMost + 10
	for i := range all {
		st.Endpoints = append(st.Endpoints, cluster.EndpointStats{
			Endpoint: cluster.Endpoint{Address: fmt.Sprintf("10.0.0.%d:80", i)}, State: "down", Pool: pool.Stats{Acquires: 5, Waits: 2, Idle: 1},
		})
	}
	series := func(name, attrs string, want float64) {
		t.Helper()
		if got := r.series(name, attrs).value; got != want {
			t.Errorf("%s{%s} is %v, want %v", name, attrs, got, want)
		}
	}
	for range 2 {
		series("hale.outage.active", "hale.endpoint=10.0.0.0:80 hale.pool.name=orders", 1)
		series("hale.outage.active", "hale.endpoint=other hale.pool.name=orders", 10)
		series("hale.connection.count", "hale.connection.state=idle hale.endpoint=other hale.pool.name=orders", 10)
		series("hale.acquires", "hale.acquire.waited=true hale.endpoint=other hale.pool.name=orders", 20)
		series("hale.acquires", "hale.acquire.waited=false hale.endpoint=other hale.pool.name=orders", 30)
	}
	st.Endpoints = st.Endpoints[:all-9] // counters do not run backwards
	series("hale.acquires", "hale.acquire.waited=true hale.endpoint=other hale.pool.name=orders", 20)
	series("hale.connection.count", "hale.connection.state=idle hale.endpoint=other hale.pool.name=orders", 1)
	if err := orders.Close(); err != nil {
		t.Error(err)
	}
	if err := orders.Register(st); err == nil {
		t.Error("after the end")
	}
}

// What the endpoints of a day cost: a series for each of the first, and one for all of the
// rest; and nothing is kept of those that have gone.
func TestTenThousandEndpointsThatComeAndGoLeaveNothing(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Cluster("orders")
	if err != nil {
		t.Fatal(err)
	}
	st := &fixedStats{}
	if err := orders.Register(st); err != nil {
		t.Fatal(err)
	}
	o := orders.Observer()
	for i := range 10000 {
		e := cluster.Endpoint{Address: fmt.Sprintf("10.0.%d.%d:80", i>>8, i&255), ID: fmt.Sprint(i)}
		was := orders.PoolObserver(e)
		orders.Dialer(e)
		was.Evict(pool.EvictInfo{Reason: pool.ReasonLifetime})
		o.Ejected(cluster.EjectedInfo{Endpoint: e, Why: "failures"})
		st.Endpoints = []cluster.EndpointStats{{Endpoint: e, State: "up", Pool: pool.Stats{Acquires: 1}}}
		if i%100 == 0 {
			r.series("hale.acquires", "hale.acquire.waited=false hale.endpoint=10.0.0.0:80 hale.pool.name=orders")
		}
		o.Resolved(cluster.ResolvedInfo{Removed: []cluster.Endpoint{e}})
	}
	if len(orders.members) > 0 || len(orders.named) > endpointsMost+1 {
		t.Errorf("%d pools are kept, and %d names", len(orders.members), len(orders.named))
	}
	if got := r.series("hale.ejections", "hale.ejection.reason=failures hale.endpoint=other hale.pool.name=orders").value; got != 10000-endpointsMost {
		t.Errorf("%v ejections of others", got)
	}
	for name, m := range r.metrics() {
		if n := len(points(m)); n > 5*(endpointsMost+1) { // one for each value of another attribute, besides
			t.Errorf("%d series of %s", n, name)
		}
	}
}

func TestAnOutageNamesItsEndpointHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Cluster("orders")
	if err != nil {
		t.Fatal(err)
	}
	var last *pool.Observer
	for i := range endpointsMost + 10 {
		last = orders.PoolObserver(cluster.Endpoint{Address: fmt.Sprintf("10.0.0.%d:80", i)})
	}
	now := time.Now()
	o := pool.Outage{ID: 1, Began: now, Detected: now, Dial: context.DeadlineExceeded}
	last.OutageBegin(o)
	o.Ended, o.Healed = now, true
	last.OutageEnd(o)
	has(t, "outage", r.one("outage orders").Attributes, map[string]any{
		"hale.endpoint": "10.0.0.41:80", "server.address": "10.0.0.41", "server.port": 80,
	})
}

// A pod that is replaced at the address of the one before is the endpoint then.
func TestAnotherEndpointAtTheSameAddressIsNotForgotten(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Cluster("orders")
	if err != nil {
		t.Fatal(err)
	}
	before, after := cluster.Endpoint{Address: "a:1", ID: "1"}, cluster.Endpoint{Address: "a:1", ID: "2"}
	orders.PoolObserver(before)
	orders.PoolObserver(after)
	orders.Observer().Resolved(cluster.ResolvedInfo{
		Endpoints: []cluster.Endpoint{after}, Added: []cluster.Endpoint{after}, Removed: []cluster.Endpoint{before},
	})
	if orders.member("a:1") == nil {
		t.Error("its dials are nobody's")
	}
}

type fixedStats struct{ Endpoints []cluster.EndpointStats }

func (f *fixedStats) Stats() cluster.Stats { return cluster.Stats{Endpoints: f.Endpoints} }
