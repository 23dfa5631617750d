package otelhale

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"example.com/hale/pool/cluster"
)

// endpointStates are those of [cluster.EndpointStats].
var endpointStates = [...]string{"up", "down", "ejected", "draining"}

// row is what endpoints with the same labels have together.
type row struct {
	idle, used, quarantined, down int64
	hits, waits                   int64
}

// counted is what the pool of an endpoint had counted when it was read last.
type counted struct{ acquires, waits int64 }

// clusterGauges reads a cluster. Of a counter it keeps what endpoints have counted that
// are gone, or it would run backwards for those that are not named.
type clusterGauges struct {
	c    *ClusterTelemetry
	from interface{ Stats() cluster.Stats }

	mu    sync.Mutex // guards what follows
	rows  map[*endpointLabels]*row
	known map[cluster.Endpoint]counted // without what may change
}

func (c *ClusterTelemetry) gauges(from interface{ Stats() cluster.Stats }) (metric.Callback, []metric.Observable) {
	g := &clusterGauges{c: c, from: from, rows: make(map[*endpointLabels]*row), known: make(map[cluster.Endpoint]counted)}
	i := c.t.instruments
	return g.observe, []metric.Observable{
		i.connections, i.limit, i.pendingAcquires, i.outageActive, i.acquires, i.endpoints, i.retries,
	}
}

func (g *clusterGauges) observe(_ context.Context, o metric.Observer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	st, i, l := g.from.Stats(), g.c.t.instruments, g.c.labels
	states := g.read(st)
	for labels, r := range g.rows {
		o.ObserveInt64(i.connections, r.idle, labels.idle.observe...)
		o.ObserveInt64(i.connections, r.used, labels.used.observe...)
		o.ObserveInt64(i.connections, r.quarantined, labels.quarantined.observe...)
		o.ObserveInt64(i.outageActive, r.down, labels.plain.observe...)
		o.ObserveInt64(i.acquires, r.hits, labels.hits.observe...)
		o.ObserveInt64(i.acquires, r.waits, labels.waits.observe...)
	}
	o.ObserveInt64(i.limit, int64(st.MaxConns), l.plain.observe...)
	o.ObserveInt64(i.pendingAcquires, int64(st.Waiting), l.plain.observe...)
	for _, state := range endpointStates {
		o.ObserveInt64(i.endpoints, states[state], newSet(l.base, keyEndpointState.String(state)).observe...)
	}
	o.ObserveInt64(i.retries, st.Retries, newSet(l.base, keyRetryOutcome.String("sent")).observe...)
	o.ObserveInt64(i.retries, st.Denied, newSet(l.base, keyRetryOutcome.String("denied")).observe...)
	return nil
}

// read sums the endpoints up by their labels, and counts their states. The caller
// holds mu.
func (g *clusterGauges) read(st cluster.Stats) (states map[string]int64) {
	states = make(map[string]int64)
	for _, r := range g.rows {
		*r = row{hits: r.hits, waits: r.waits}
	}
	seen := make(map[cluster.Endpoint]counted, len(st.Endpoints))
	for _, e := range st.Endpoints {
		states[e.State]++
		labels := g.c.labelsOf(e.Endpoint.Address)
		r := g.rows[labels]
		if r == nil {
			r = new(row)
			g.rows[labels] = r
		}
		r.idle += int64(e.Pool.Idle)
		r.used += int64(e.Pool.InUse)
		r.quarantined += int64(e.Pool.Quarantined)
		r.down += oneIf(e.State == "down")
		key := cluster.Endpoint{Address: e.Endpoint.Address, ID: e.Endpoint.ID}
		now, before := counted{e.Pool.Acquires, e.Pool.Waits}, g.known[key]
		if now.acquires < before.acquires || now.waits < before.waits { // it is there anew
			before = counted{}
		}
		r.waits += now.waits - before.waits
		r.hits += max(0, now.acquires-now.waits-before.acquires+before.waits)
		seen[key] = now
	}
	g.known = seen
	return states
}
