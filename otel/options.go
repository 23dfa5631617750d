package otelhale

import (
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
	off         [spanKinds]bool
}

// A SpanKind is one of the kinds of spans that this package makes.
type SpanKind uint8

// The kinds of spans, by their names.
const (
	SpanConnect SpanKind = iota
	SpanOutage
	SpanReconnect
	SpanAcquire

	spanKinds // how many there are
)

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

// WithoutSpans leaves spans out, by kind; their children hang on their parents
// then, and what has no parent is a root. Metrics stay.
func WithoutSpans(kinds ...SpanKind) Option {
	return func(c *config) {
		for _, k := range kinds {
			if k < spanKinds {
				c.off[k] = true
			}
		}
	}
}
