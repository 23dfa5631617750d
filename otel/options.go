package otelhale

import (
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// An Option changes what [New] makes.
type Option func(*config)

type config struct {
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
	loggers     log.LoggerProvider
	attributes  []attribute.KeyValue
	peerAddress bool
	db          bool

	everyAcquire bool

	off [len(spanNames)]bool
	err error // of an option
}

// The kinds of spans, as indices of spanNames.
const (
	spanConnect = iota
	spanOutage
	spanReconnect
	spanAcquire
	spanFailover
)

var spanNames = [...]string{spanConnect: "connect", spanOutage: "outage", spanReconnect: "reconnect", spanAcquire: "acquire", spanFailover: "failover"}

// WithTracerProvider sets the provider of spans; nil is the global one.
func WithTracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// WithMeterProvider sets the provider of metrics; nil is the global one.
func WithMeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// WithLoggerProvider has timed details recorded as log events instead of span
// events, under the same names; nil is span events. Logs do not depend on
// whether a span is sampled.
func WithLoggerProvider(p log.LoggerProvider) Option { return func(c *config) { c.loggers = p } }

// WithAttributes adds attributes to every span and every metric.
func WithAttributes(attrs ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, attrs...) }
}

// WithPeerAddress adds network.peer.address and network.peer.port to the
// metrics of connections whose peer is known. Spans have them anyway. There
// are as many values as there are peers.
func WithPeerAddress() Option { return func(c *config) { c.peerAddress = true } }

// WithDBClientMetrics records pools under the names that the semantic
// conventions have for database clients as well.
func WithDBClientMetrics() Option { return func(c *config) { c.db = true } }

// WithEveryAcquire has hale.acquire.duration, and db.client.connection.wait_time if
// that is recorded, of every Acquire, with 0 for one that is served at once;
// otherwise they have those that waited only. An Acquire that is served at once
// then costs the recording of a histogram, and still makes no span.
func WithEveryAcquire() Option { return func(c *config) { c.everyAcquire = true } }

// WithoutSpans leaves spans out. Names are the first words of their names,
// "connect", "outage", "reconnect", "acquire" and "failover"; any other is an error of [New].
// The children of a span that is left out become those of its parent, or roots
// if it has none. Metrics stay.
func WithoutSpans(names ...string) Option {
	return func(c *config) {
		for _, name := range names {
			kind := slices.Index(spanNames[:], name)
			if kind < 0 {
				c.err = errors.Join(c.err, fmt.Errorf("otelhale: WithoutSpans: no span is named %q", name))
				continue
			}
			c.off[kind] = true
		}
	}
}
