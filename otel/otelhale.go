package otelhale

import (
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"example.com/hale"
)

// The instrumentation scope of all that this package records.
const (
	scopeName = "example.com/hale/otel"
	version   = "0.1.0"
)

// Telemetry gives observers for dialers and pools. It is safe for concurrent
// use.
type Telemetry struct {
	tracers     [len(spanNames)]trace.Tracer
	attempts    trace.Tracer // of the dials within an outage
	logger      log.Logger   // nil for span events
	instruments *instruments
	base        []attribute.KeyValue
	peerAddress bool
	db          bool

	everyAcquire bool

	mu    sync.Mutex // guards pools
	pools map[string]struct{}
}

// New resolves the providers, the global ones unless options say otherwise,
// and makes the instruments. The error is a meter's, or names a span that
// [WithoutSpans] does not know.
func New(opts ...Option) (*Telemetry, error) {
	c := config{}
	for _, o := range opts {
		o(&c)
	}
	if c.err != nil {
		return nil, c.err
	}
	if c.tracers == nil {
		c.tracers = otel.GetTracerProvider()
	}
	if c.meters == nil {
		c.meters = otel.GetMeterProvider()
	}
	t := &Telemetry{base: c.attributes, peerAddress: c.peerAddress, db: c.db, everyAcquire: c.everyAcquire, pools: make(map[string]struct{})}
	t.setTracers(c)
	if c.loggers != nil {
		t.logger = c.loggers.Logger(scopeName, log.WithInstrumentationVersion(version), log.WithSchemaURL(semconv.SchemaURL))
	}
	meter := c.meters.Meter(scopeName, metric.WithInstrumentationVersion(version), metric.WithSchemaURL(semconv.SchemaURL))
	var err error
	t.instruments, err = newInstruments(meter, c.db)
	if err != nil {
		return nil, fmt.Errorf("otelhale: %w", err)
	}
	return t, nil
}

// setTracers gets the tracer of each kind of span.
func (t *Telemetry) setTracers(c config) {
	tracerOf := func(p trace.TracerProvider) trace.Tracer {
		return p.Tracer(scopeName, trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))
	}
	usual, outages := tracerOf(c.tracers), tracerOf(c.tracers)
	if c.outages != nil {
		outages = tracerOf(c.outages)
	}
	// A no-op passes the parent on, so that children have somewhere to hang.
	left := noop.NewTracerProvider().Tracer(scopeName)
	t.tracers = [...]trace.Tracer{
		spanConnect: usual, spanOutage: outages, spanReconnect: outages, spanAcquire: usual,
		spanDetection: outages, spanFailover: outages,
	}
	t.attempts = outages
	for kind, off := range c.off {
		if off {
			t.tracers[kind] = left
		}
	}
	if c.off[spanConnect] {
		t.attempts = left
	}
}

// Dialer returns an observer for any number of dialers whose connections are
// in no pool of this Telemetry; for those that are, [PoolTelemetry.Dialer]
// knows the pool. [hale.Tee] adds observers of the caller's own.
func (t *Telemetry) Dialer() *hale.Observer {
	d := &dials{t: t, labels: newLabels(t.base)}
	return d.observer()
}

// Pool returns the telemetry of one pool. name must not be empty and is
// refused while another pool that is not closed has it: their numbers would be
// added up.
func (t *Telemetry) Pool(name string) (*PoolTelemetry, error) {
	if name == "" {
		return nil, errors.New("otelhale: a pool needs a name")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.pools[name]; taken {
		return nil, fmt.Errorf("otelhale: there is a pool named %q already", name)
	}
	t.pools[name] = struct{}{}
	return newPoolTelemetry(t, name), nil
}

// release makes a pool's name free again.
func (t *Telemetry) release(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pools, name)
}

// with returns the attributes that everything has, and more.
func (t *Telemetry) with(attrs ...attribute.KeyValue) []attribute.KeyValue {
	return append(t.base[:len(t.base):len(t.base)], attrs...)
}
