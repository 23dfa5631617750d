package otelhale

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"example.com/hale"
	"example.com/hale/pool"
)

// PoolTelemetry is what one pool records. It is safe for concurrent use, and
// ends when the pool is closed.
type PoolTelemetry struct {
	t      *Telemetry
	name   string
	labels *labels
	db     dbLabels
	dialer *dials

	unnamed bool // it is one of a cluster's, which has the name

	// mu guards what follows. No span begins or ends under it.
	mu           sync.Mutex
	server       string             // where the pool's dialer dials to, once known
	outages      map[uint64]*outage // that run, by ID: one, or two for a moment
	newest       uint64             // the highest ID so far
	begun        uint64             // the highest ID that was in outages
	last         *outage            // the one that ended last, or nil
	reconnect    *reconnect         // or nil
	pending      []loss             // that no outage explains yet
	suspects     []suspicion        // that are not settled
	registered   bool
	registration metric.Registration
	closed       bool
}

func newPoolTelemetry(t *Telemetry, name string) *PoolTelemetry {
	p := &PoolTelemetry{t: t, name: name, labels: newLabels(t.with(keyPoolName.String(name))), outages: make(map[uint64]*outage)}
	p.dialer = &dials{t: t, labels: p.labels, pool: p}
	if t.db {
		p.db = newDBLabels(t.base, name)
	}
	return p
}

// Name returns the pool's name.
func (p *PoolTelemetry) Name() string { return p.name }

// Dialer returns the observer for the [hale.Dialer] with which the pool dials.
// [hale.Tee] adds observers of the caller's own. A pool that dials in another
// way does without; its outages then tell the predicted window only if its
// connections know it.
func (p *PoolTelemetry) Dialer() *hale.Observer { return p.dialer.observer() }

// Observer returns the observer for the Config of the pool, and belongs to that
// one. [pool.Tee] adds observers of the caller's own.
func (p *PoolTelemetry) Observer() *pool.Observer {
	o := &pool.Observer{
		AcquireStart:   p.acquireStart,
		AcquireDone:    p.acquireDone,
		Evict:          p.evict,
		OutageBegin:    p.outageBegin,
		OutageEnd:      p.outageEnd,
		ReconnectStart: p.reconnectStart,
		ReconnectDone:  p.reconnectDone,
		Heartbeat:      p.heartbeat,
		Closed:         func() { _ = p.Close() }, // there is nobody to tell
	}
	if p.t.everyAcquire {
		o.Acquired = p.acquired
	}
	return o
}

func (p *PoolTelemetry) heartbeat(info pool.HeartbeatInfo) {
	labels := p.labels.passed
	if info.Err != nil {
		labels = p.labels.failed
	}
	p.t.instruments.heartbeats.Add(context.Background(), 1, labels.add...)
}

// Close ends an outage that has not healed, unregisters the gauges and makes
// the name free again. The end of the pool does it; it is only needed for a
// pool that was never made. It is idempotent. The error is the meter's.
func (p *PoolTelemetry) Close() error {
	p.mu.Lock()
	first, registration := !p.closed, p.registration
	p.closed = true
	p.mu.Unlock()
	if !first {
		return nil
	}
	p.abandon()
	var err error
	if registration != nil {
		err = registration.Unregister()
	}
	if !p.unnamed {
		p.t.release(p.name)
	}
	if err != nil {
		return errors.Join(errors.New("otelhale: the gauges of "+p.name), err)
	}
	return nil
}

// dials takes note of where the pool's dialer dials to.
func (p *PoolTelemetry) dials(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = address
}

// serverAttributes says where the pool dials to, if that is known.
func (p *PoolTelemetry) serverAttributes() []attribute.KeyValue {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	if server == "" {
		return nil
	}
	return serverAttributes(server)
}

// current returns the outage that runs, or nil. The caller holds p.mu.
func (p *PoolTelemetry) current() *outage { return p.outages[p.newest] }
