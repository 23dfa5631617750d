package otelhale

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// Register has the gauges of a pool read from its Stats at each collection,
// until the pool is closed or Close is called, and its counters begin at zero:
// a backend that looks for an increase would not see the first event of a
// series that is born with it. It is called once, with the [pool.Pool] that
// has Observer in its Config.
func (p *PoolTelemetry) Register(from interface{ Stats() pool.Stats }) error {
	observe, instruments := p.gauges(from)
	p.mu.Lock()
	registered, closed := p.registered, p.closed
	p.registered = true
	p.mu.Unlock()
	switch {
	case closed:
		return errors.New("otelhale: the pool is closed")
	case registered:
		return errors.New("otelhale: a pool is registered already")
	}
	registration, err := p.t.instruments.meter.RegisterCallback(observe, instruments...)
	if err != nil {
		return fmt.Errorf("otelhale: %w", err)
	}
	p.mu.Lock()
	p.registration, closed = registration, p.closed
	p.mu.Unlock()
	if closed { // meanwhile
		return registration.Unregister()
	}
	p.startCounters()
	return nil
}

// startCounters begins those series that are known beforehand.
func (p *PoolTelemetry) startCounters() {
	i, l, ctx := p.t.instruments, p.labels, context.Background()
	i.reconnectAttempts.Add(ctx, 0, l.plain.add...)
	i.heartbeats.Add(ctx, 0, l.passed.add...)
	i.heartbeats.Add(ctx, 0, l.failed.add...)
	if p.t.peerAddress {
		return // the rest has a series for each peer
	}
	i.sent.Add(ctx, 0, l.plain.add...)
	i.retransmitted.Add(ctx, 0, l.plain.add...)
	i.suspects.Add(ctx, 0, l.plain.add...)
	i.recoveries.Add(ctx, 0, l.plain.add...)
	for c := range health.Causes() {
		if isDeath(c) && c != health.Unknown {
			i.deaths.Add(ctx, 0, l.cause(c).add...)
		}
		if wasPromised(c) {
			i.detectionsLate.Add(ctx, 0, l.cause(c).add...)
		}
	}
}

// gauges returns what reads the pool, and into what.
func (p *PoolTelemetry) gauges(from interface{ Stats() pool.Stats }) (metric.Callback, []metric.Observable) {
	i, base := p.t.instruments, p.labels.base
	idle, used, quarantined := newSet(base, keyConnState.String("idle")), newSet(base, keyConnState.String("used")), newSet(base, keyConnState.String("quarantined"))
	hits, waits := newSet(base, keyAcquireWaited.Bool(false)), newSet(base, keyAcquireWaited.Bool(true))
	plain := p.labels.plain
	observe := func(_ context.Context, o metric.Observer) error {
		st := from.Stats()
		o.ObserveInt64(i.connections, int64(st.Idle), idle.observe...)
		o.ObserveInt64(i.connections, int64(st.InUse), used.observe...)
		o.ObserveInt64(i.connections, int64(st.Quarantined), quarantined.observe...)
		o.ObserveInt64(i.limit, int64(st.MaxConns), plain.observe...)
		o.ObserveInt64(i.pendingAcquires, int64(st.Waiting), plain.observe...)
		o.ObserveInt64(i.outageActive, oneIf(st.Down), plain.observe...)
		o.ObserveInt64(i.unmonitored, oneIf(st.Unmonitored), plain.observe...)
		o.ObserveInt64(i.acquires, max(0, st.Acquires-st.Waits), hits.observe...)
		o.ObserveInt64(i.acquires, st.Waits, waits.observe...)
		if p.t.db {
			p.db.observe(o, i.db, st)
		}
		return nil
	}
	all := []metric.Observable{i.connections, i.limit, i.pendingAcquires, i.outageActive, i.unmonitored, i.acquires}
	if p.t.db {
		all = append(all, i.db.connections, i.db.idleMax, i.db.max, i.db.pending)
	}
	return observe, all
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// dbLabels are the sets of a pool for db.client.connection metrics.
type dbLabels struct{ plain, idle, used set }

func newDBLabels(base []attribute.KeyValue, name string) dbLabels {
	named := append(base[:len(base):len(base)], semconv.DBClientConnectionPoolName(name))
	return dbLabels{newSet(named), newSet(named, semconv.DBClientConnectionStateIdle), newSet(named, semconv.DBClientConnectionStateUsed)}
}

// observe counts connections that are quarantined as idle: the conventions know
// two states.
func (l *dbLabels) observe(o metric.Observer, db dbInstruments, st pool.Stats) {
	o.ObserveInt64(db.connections, int64(st.Idle+st.Quarantined), l.idle.observe...)
	o.ObserveInt64(db.connections, int64(st.InUse), l.used.observe...)
	o.ObserveInt64(db.idleMax, int64(st.MaxConns), l.plain.observe...)
	o.ObserveInt64(db.max, int64(st.MaxConns), l.plain.observe...)
	o.ObserveInt64(db.pending, int64(st.Waiting), l.plain.observe...)
}
