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
	outages     trace.TracerProvider
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
	spanDetection
	spanFailover
)

var spanNames = [...]string{
	spanConnect: "connect", spanOutage: "outage", spanReconnect: "reconnect", spanAcquire: "acquire",
	spanDetection: "detection", spanFailover: "failover",
}

// WithTracerProvider sets the provider of spans; nil is the global one.
func WithTracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// WithOutageTracerProvider sets the provider of the spans of outages: detection,
// outage and reconnect, and the dials within; nil is that of the others. It is for
// programs with a head sampler: that decides by the root of a trace, knows no outage
// from a request, and drops nearly all of them at the ratios that are usual. A
// provider of the SDK with the sampler AlwaysSample, and the resource and the span
// processors of the other one, keeps them; it has to be shut down, too.
func WithOutageTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) { c.outages = p }
}

// WithMeterProvider sets the provider of metrics; nil is the global one.
func WithMeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// WithLoggerProvider has timed details recorded as log events instead of span
// events, under the same names; nil is span events. Logs do not depend on
// whether a span is sampled. They leave the process while the outage lasts:
// hale.detected then has what the span of the detection has, which
// WithoutSpans("detection") may leave out.
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
// "connect", "detection", "outage", "reconnect", "acquire" and "failover"; any other is
// an error of [New].
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
