package otelhale

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"
)

// The histograms' boundaries: seconds, shares, probes and bytes.
var (
	boundsQuick  = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	boundsOutage = []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600, 900, 1800, 3600, 7200}
	boundsShare  = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 5, 10}
	boundsRTT    = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}
	boundsProbes = []float64{0, 1, 2, 3, 5, 8, 13, 21}
	boundsFlight = []float64{0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}
	boundsLife   = []float64{1, 10, 60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400}
)

// instruments are what everything is recorded with.
type instruments struct {
	meter metric.Meter

	connectDuration    metric.Float64Histogram
	connectionDuration metric.Float64Histogram
	detectionDuration  metric.Float64Histogram
	detectionShare     metric.Float64Histogram
	acquireDuration    metric.Float64Histogram
	outageDuration     metric.Float64Histogram
	reconnectDuration  metric.Float64Histogram
	failoverDuration   metric.Float64Histogram

	rtt           metric.Float64Histogram
	probes        metric.Int64Histogram
	inFlight      metric.Int64Histogram
	sent          metric.Int64Counter
	retransmitted metric.Int64Counter

	deaths            metric.Int64Counter
	detectionsLate    metric.Int64Counter
	suspects          metric.Int64Counter
	recoveries        metric.Int64Counter
	reconnectAttempts metric.Int64Counter
	heartbeats        metric.Int64Counter
	ejections         metric.Int64Counter
	unresolved        metric.Int64Counter

	// Read at each collection.
	connections     metric.Int64ObservableUpDownCounter
	limit           metric.Int64ObservableUpDownCounter
	pendingAcquires metric.Int64ObservableUpDownCounter
	outageActive    metric.Int64ObservableUpDownCounter
	unmonitored     metric.Int64ObservableUpDownCounter
	acquires        metric.Int64ObservableCounter
	endpoints       metric.Int64ObservableUpDownCounter
	retries         metric.Int64ObservableCounter

	db dbInstruments
}

// dbInstruments are those of the semantic conventions; nil unless asked for.
type dbInstruments struct {
	createTime metric.Float64Histogram
	waitTime   metric.Float64Histogram
	timeouts   metric.Int64Counter

	connections metric.Int64ObservableUpDownCounter
	idleMax     metric.Int64ObservableUpDownCounter
	max         metric.Int64ObservableUpDownCounter
	pending     metric.Int64ObservableUpDownCounter
}

func newInstruments(meter metric.Meter, db bool) (*instruments, error) {
	m := maker{meter: meter}
	i := &instruments{
		meter:              meter,
		connectDuration:    m.histogram("hale.connect.duration", "Time that a dial took.", boundsQuick),
		connectionDuration: m.histogram("hale.connection.duration", "Time that a connection was open.", boundsLife),
		detectionDuration:  m.histogram("hale.detection.duration", "Time from a dead peer's last sign of life until its death was noticed.", boundsOutage),
		acquireDuration:    m.histogram("hale.acquire.duration", "Time that an acquire waited.", boundsQuick),
		outageDuration:     m.histogram("hale.outage.duration", "Time from the silence of an endpoint until its pool was whole again.", boundsOutage),
		reconnectDuration:  m.histogram("hale.reconnect.duration", "Time from the first attempt to reconnect to the first that succeeded.", boundsOutage),
		failoverDuration:   m.histogram("hale.failover.duration", "Time from the silence of a primary until the first use of the next.", boundsOutage),
		ejections:          m.counter("hale.ejections", "{ejection}", "Times that an endpoint was left alone for its answers."),
		unresolved:         m.counter("hale.resolve.failures", "{failure}", "Answers about the endpoints that failed, or were empty or wrong."),
		endpoints:          m.gauge("hale.endpoint.count", "{endpoint}", "Endpoints of the cluster by their state."),
		rtt:                m.histogram("hale.connection.rtt", "Smoothed round-trip time, as often as the watch finds that something was acknowledged.", boundsRTT),
		sent:               m.counter("hale.connection.sent", "By", "Bytes sent, retransmissions included."),
		retransmitted:      m.counter("hale.connection.retransmitted", "By", "Bytes sent again."),
		deaths:             m.counter("hale.deaths", "{death}", "Connections that died."),
		detectionsLate:     m.counter("hale.detections.late", "{death}", "Silent deaths that were noticed later than was promised."),
		suspects:           m.counter("hale.suspects", "{suspicion}", "Times that a peer left something unanswered."),
		recoveries:         m.counter("hale.recoveries", "{recovery}", "Times that a suspect peer answered after all."),
		reconnectAttempts:  m.counter("hale.reconnect.attempts", "{attempt}", "Attempts to reconnect."),
		heartbeats:         m.counter("hale.heartbeats", "{heartbeat}", "Checks of idle connections and of monitors."),
		connections:        m.gauge("hale.connection.count", "{connection}", "Connections in the pool by their state."),
		limit:              m.gauge("hale.connection.limit", "{connection}", "The most connections that the pool may have."),
		pendingAcquires:    m.gauge("hale.connection.pending_acquires", "{acquire}", "Callers that wait for a connection."),
		outageActive:       m.gauge("hale.outage.active", "{outage}", "Endpoints that cannot be reached."),
		unmonitored:        m.gauge("hale.pool.unmonitored", "{pool}", "Pools whose monitor has no connection, and cannot judge those in use."),
	}
	var err error
	i.detectionShare, err = meter.Float64Histogram("hale.detection.share", metric.WithUnit("1"),
		metric.WithDescription("Time from a dead peer's last sign of life until its death was noticed, of the time that was promised."),
		metric.WithExplicitBucketBoundaries(boundsShare...))
	m.note(err)
	i.probes, err = meter.Int64Histogram("hale.connection.unanswered_probes", metric.WithUnit("{probe}"),
		metric.WithDescription("Keepalive and window probes that are unanswered when the watch looks."),
		metric.WithExplicitBucketBoundaries(boundsProbes...))
	m.note(err)
	i.inFlight, err = meter.Int64Histogram("hale.connection.in_flight", metric.WithUnit("By"),
		metric.WithDescription("Bytes sent and not acknowledged when the watch looks."),
		metric.WithExplicitBucketBoundaries(boundsFlight...))
	m.note(err)
	i.acquires, err = meter.Int64ObservableCounter("hale.acquires", metric.WithUnit("{acquire}"), metric.WithDescription("Acquires that got a connection."))
	m.note(err)
	i.retries, err = meter.Int64ObservableCounter("hale.retries", metric.WithUnit("{retry}"), metric.WithDescription("Requests that were sent again, or were not for the budget."))
	m.note(err)
	if db {
		i.db = m.dbInstruments()
	}
	return i, m.err
}

// maker makes instruments and collects the errors.
type maker struct {
	meter metric.Meter
	err   error
}

func (m *maker) note(err error) { m.err = errors.Join(m.err, err) }

func (m *maker) histogram(name, description string, bounds []float64) metric.Float64Histogram {
	h, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(bounds...))
	m.note(err)
	return h
}

func (m *maker) counter(name, unit, description string) metric.Int64Counter {
	c, err := m.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.note(err)
	return c
}

func (m *maker) gauge(name, unit, description string) metric.Int64ObservableUpDownCounter {
	g, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.note(err)
	return g
}

func (m *maker) dbInstruments() (db dbInstruments) {
	create, err := dbconv.NewClientConnectionCreateTime(m.meter, metric.WithExplicitBucketBoundaries(boundsQuick...))
	m.note(err)
	wait, err := dbconv.NewClientConnectionWaitTime(m.meter, metric.WithExplicitBucketBoundaries(boundsQuick...))
	m.note(err)
	timeouts, err := dbconv.NewClientConnectionTimeouts(m.meter)
	m.note(err)
	connections, err := dbconv.NewClientConnectionCountObservable(m.meter)
	m.note(err)
	idleMax, err := dbconv.NewClientConnectionIdleMaxObservable(m.meter)
	m.note(err)
	limit, err := dbconv.NewClientConnectionMaxObservable(m.meter)
	m.note(err)
	pending, err := dbconv.NewClientConnectionPendingRequestsObservable(m.meter)
	m.note(err)
	return dbInstruments{
		createTime: create.Inst(), waitTime: wait.Inst(), timeouts: timeouts.Inst(),
		connections: connections.Inst(), idleMax: idleMax.Inst(), max: limit.Inst(), pending: pending.Inst(),
	}
}
