package otelhale

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// endpointsMost is how many endpoints of a cluster are named in metrics, from its
// beginning to its end; those that come later are "other".
const endpointsMost = 32

const otherEndpoints = "other"

// ClusterTelemetry is what one cluster records: what its pools do, by endpoint, and
// what is the affair of all. It is safe for concurrent use, and ends when the cluster
// is closed.
type ClusterTelemetry struct {
	t      *Telemetry
	name   string
	labels *labels // of what is no endpoint's

	// mu guards what follows. No span begins or ends under it.
	mu           sync.Mutex
	named        map[string]*endpointLabels
	members      map[string]*PoolTelemetry // the last one of each address
	failover     trace.Span                // nil if none runs
	registered   bool
	registration metric.Registration
	closed       bool
}

// endpointLabels are the sets of an endpoint, or of all that are not named.
type endpointLabels struct {
	*labels
	idle, used, quarantined, hits, waits set
}

// Cluster returns the telemetry of one cluster. name must not be empty and is refused
// while another pool or cluster that is not closed has it.
func (t *Telemetry) Cluster(name string) (*ClusterTelemetry, error) {
	if name == "" {
		return nil, errors.New("otelhale: a cluster needs a name")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.pools[name]; taken {
		return nil, fmt.Errorf("otelhale: there is a pool named %q already", name)
	}
	t.pools[name] = struct{}{}
	return &ClusterTelemetry{
		t: t, name: name, labels: newLabels(t.with(keyPoolName.String(name))),
		named: make(map[string]*endpointLabels), members: make(map[string]*PoolTelemetry),
	}, nil
}

// Name returns the cluster's name.
func (c *ClusterTelemetry) Name() string { return c.name }

// PoolObserver is for Config.PoolObserver of the cluster: what the pool of one
// endpoint does, as [PoolTelemetry.Observer] has it, with the attribute hale.endpoint.
func (c *ClusterTelemetry) PoolObserver(e cluster.Endpoint) *pool.Observer {
	l := *c.labelsOf(e.Address).labels
	l.spans = c.withEndpoint(e.Address)
	p := &PoolTelemetry{t: c.t, name: c.name, labels: &l, outages: make(map[uint64]*outage), unnamed: true, server: e.Address}
	p.dialer = &dials{t: c.t, labels: &l, pool: p}
	if c.t.db {
		p.db = newDBLabels(c.t.base, c.name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[e.Address] = p
	return p.Observer()
}

// Dialer returns the observer for the [hale.Dialer] with which an endpoint is dialled.
// Config.Dial calls it, for each dial.
func (c *ClusterTelemetry) Dialer(e cluster.Endpoint) *hale.Observer {
	if p := c.member(e.Address); p != nil {
		return p.Dialer()
	}
	return (&dials{t: c.t, labels: c.labelsOf(e.Address).labels}).observer() // PoolObserver is not used
}

func (c *ClusterTelemetry) member(address string) *PoolTelemetry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[address]
}

// withEndpoint is the attributes of the cluster, and an endpoint's.
func (c *ClusterTelemetry) withEndpoint(address string) []attribute.KeyValue {
	return append(c.labels.base[:len(c.labels.base):len(c.labels.base)], keyEndpoint.String(address))
}

// labelsOf are those of an endpoint.
func (c *ClusterTelemetry) labelsOf(address string) *endpointLabels {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.named[address]; l != nil {
		return l
	}
	if address != otherEndpoints && len(c.named) >= endpointsMost {
		address = otherEndpoints
		if l := c.named[address]; l != nil {
			return l
		}
	}
	base := c.withEndpoint(address)
	l := &endpointLabels{
		labels: newLabels(base),
		idle:   newSet(base, keyConnState.String("idle")), used: newSet(base, keyConnState.String("used")),
		quarantined: newSet(base, keyConnState.String("quarantined")),
		hits:        newSet(base, keyAcquireWaited.Bool(false)), waits: newSet(base, keyAcquireWaited.Bool(true)),
	}
	c.named[address] = l
	return l
}

// Observer returns the observer for the Config of the cluster, and belongs to that
// one. [cluster.Tee] adds observers of the caller's own.
func (c *ClusterTelemetry) Observer() *cluster.Observer {
	return &cluster.Observer{
		Resolved:      c.resolved,
		Ejected:       c.ejected,
		FailoverBegin: c.failoverBegin,
		FailoverEnd:   c.failoverEnd,
		Closed:        func() { _ = c.Close() }, // there is nobody to tell
	}
}

func (c *ClusterTelemetry) resolved(i cluster.ResolvedInfo) {
	if i.Err != nil {
		c.t.instruments.unresolved.Add(context.Background(), 1, c.labels.plain.add...)
	}
	stay := make(map[string]bool, len(i.Endpoints)) // also with another ID
	for _, e := range i.Endpoints {
		stay[e.Address] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range i.Removed {
		if !stay[e.Address] {
			delete(c.members, e.Address)
		}
	}
}

func (c *ClusterTelemetry) ejected(i cluster.EjectedInfo) {
	l := c.labelsOf(i.Endpoint.Address)
	c.t.instruments.ejections.Add(context.Background(), 1, newSet(l.base, keyEjectionReason.String(i.Why)).add...)
}

func (c *ClusterTelemetry) failoverBegin(i cluster.FailoverInfo) {
	_, span := c.t.tracers[spanFailover].Start(context.Background(), "failover "+c.name, trace.WithNewRoot(),
		trace.WithTimestamp(i.Began), trace.WithAttributes(c.labels.base...),
		trace.WithAttributes(keyFailoverFrom.String(i.From.Address), keyFailoverCause.String(i.Cause),
			seconds(keyDetection, i.Detected.Sub(i.Began))))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failover = span
}

func (c *ClusterTelemetry) failoverEnd(i cluster.FailoverInfo) {
	c.mu.Lock()
	span := c.failover
	c.failover = nil
	c.mu.Unlock()
	if span == nil {
		return
	}
	length := i.Ended.Sub(i.Began)
	span.SetAttributes(keyFailoverHealed.Bool(i.Healed), seconds(keyFailoverDuration, length))
	if i.Healed {
		span.SetAttributes(keyFailoverTo.String(i.To.Address))
	}
	if p := c.member(i.From.Address); p != nil && i.Cause == "outage" {
		if o := p.newestOutage(); o != nil {
			link(span, o.span.SpanContext(), "outage")
		}
	}
	span.SetStatus(codes.Error, i.Cause)
	c.t.instruments.failoverDuration.Record(trace.ContextWithSpan(context.Background(), span), length.Seconds(),
		newSet(c.labels.base, keyFailoverCause.String(i.Cause)).record...)
	span.End(trace.WithTimestamp(i.Ended))
}

// newestOutage is the one that runs, or ran last.
func (p *PoolTelemetry) newestOutage() *outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.current(); o != nil {
		return o
	}
	return p.last
}

// Register has the gauges of a cluster read from its Stats at each collection, until it
// is closed. It is called once, with the [cluster.Cluster] that has Observer in its
// Config.
func (c *ClusterTelemetry) Register(from interface{ Stats() cluster.Stats }) error {
	c.mu.Lock()
	registered, closed := c.registered, c.closed
	c.registered = true
	c.mu.Unlock()
	switch {
	case closed:
		return errors.New("otelhale: the cluster is closed")
	case registered:
		return errors.New("otelhale: a cluster is registered already")
	}
	observe, instruments := c.gauges(from)
	registration, err := c.t.instruments.meter.RegisterCallback(observe, instruments...)
	if err != nil {
		return fmt.Errorf("otelhale: %w", err)
	}
	c.mu.Lock()
	c.registration, closed = registration, c.closed
	c.mu.Unlock()
	if closed { // meanwhile
		return registration.Unregister()
	}
	c.t.instruments.unresolved.Add(context.Background(), 0, c.labels.plain.add...)
	return nil
}

// Close unregisters the gauges and makes the name free again. The end of the cluster
// does it; it is only needed for one that was never made. It is idempotent. The error
// is the meter's.
func (c *ClusterTelemetry) Close() error {
	c.mu.Lock()
	first, registration := !c.closed, c.registration
	c.closed = true
	c.mu.Unlock()
	if !first {
		return nil
	}
	c.t.release(c.name)
	if registration == nil {
		return nil
	}
	if err := registration.Unregister(); err != nil {
		return errors.Join(errors.New("otelhale: the gauges of "+c.name), err)
	}
	return nil
}
