package otelhale

import (
	"context"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// dials observes the dialers of one pool, or those of none.
type dials struct {
	t      *Telemetry
	labels *labels
	pool   *PoolTelemetry // or nil
	peers  peers
}

func (d *dials) observer() *hale.Observer {
	o := &hale.Observer{DialStart: d.start, DialDone: d.done, Suspect: d.suspect, Recovered: d.recovered, Sampled: d.sampled, Dead: d.dead, Closed: d.closed, Dropped: d.dropped}
	if d.pool != nil {
		o.Dead = nil // the pool tells
		o.Closed = func(info hale.ClosedInfo) { d.pool.settled(info.Conn) }
	}
	return o
}

// dialKey finds the span of the dial under way.
type dialKey struct{ d *dials }

func (d *dials) start(ctx context.Context, info hale.DialStartInfo) context.Context {
	if d.pool != nil {
		d.pool.dials(info.Address)
	}
	attrs := append(d.labels.spans[:len(d.labels.spans):len(d.labels.spans)], serverAttributes(info.Address)...)
	if transport, ok := transportOf(info.Network); ok {
		attrs = append(attrs, transport)
	}
	tracer := d.t.tracers[spanConnect]
	if ctx.Value(attemptKey{}) != nil {
		tracer = d.t.attempts
	}
	ctx, span := tracer.Start(ctx, "connect "+info.Address,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	if span.IsRecording() {
		if plan, err := sockopt.Current().Plan(info.KeepAlive); err == nil {
			span.SetAttributes(keepAliveAttributes(keyAsked, plan.Asked)...)
		}
	}
	return context.WithValue(ctx, dialKey{d}, span)
}

func transportOf(network string) (attribute.KeyValue, bool) {
	switch {
	case strings.HasPrefix(network, "tcp"):
		return semconv.NetworkTransportTCP, true
	case strings.HasPrefix(network, "udp"):
		return semconv.NetworkTransportUDP, true
	case strings.HasPrefix(network, "unix"):
		return semconv.NetworkTransportUnix, true
	}
	return attribute.KeyValue{}, false
}

func (d *dials) done(ctx context.Context, info hale.DialDoneInfo) {
	labels := d.labels.result(info.Err)
	if info.Conn != nil {
		labels = d.labelsAt(labels, info.Conn)
	}
	d.t.instruments.connectDuration.Record(ctx, info.Duration.Seconds(), labels.record...)
	if d.pool != nil && d.t.db && info.Err == nil {
		d.t.instruments.db.createTime.Record(ctx, info.Duration.Seconds(), d.pool.db.plain.record...)
	}
	span, ok := ctx.Value(dialKey{d}).(trace.Span)
	if !ok {
		return
	}
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if info.Conn != nil {
		span.SetAttributes(connected(info.Conn.RemoteAddr(), info.Conn.Report())...)
		if why := info.Conn.Unwatched(); why != nil {
			span.SetAttributes(keyUnwatched.String(why.Error()))
		}
	}
	fail(span, info.Err)
}

// connected says what a new connection is.
func connected(peer net.Addr, report sockopt.Report) []attribute.KeyValue {
	attrs := append(peerAttributes(peer), keyPath.String(report.Path))
	attrs = append(attrs, keepAliveAttributes(keyGot, report.Got)...)
	attrs = append(attrs, windowAttributes(report.Window())...)
	var refused []string
	for _, o := range report.Options {
		if o.Err != nil && !o.Optional {
			refused = append(refused, string(o.Field))
		}
	}
	if len(refused) > 0 {
		attrs = append(attrs, keyRefused.StringSlice(refused))
	}
	return attrs
}

// fail sets a span's error, if there is one.
func fail(span trace.Span, err error) {
	if err == nil {
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	span.SetStatus(codes.Error, err.Error())
}

func (d *dials) suspect(info hale.SuspectInfo) {
	d.t.instruments.suspects.Add(context.Background(), 1, d.labelsAt(d.labels.plain, info.Conn).add...)
	if d.pool != nil {
		d.pool.suspect(info.Conn, time.Now(), info.Info)
	}
}

func (d *dials) recovered(info hale.RecoveredInfo) {
	d.t.instruments.recoveries.Add(context.Background(), 1, d.labelsAt(d.labels.plain, info.Conn).add...)
	if d.pool != nil {
		d.pool.recovered(info.Conn, time.Now())
	}
}

// dead is for connections in no pool.
func (d *dials) dead(info hale.DeadInfo) {
	d.t.died(context.Background(), d.labelsAt(d.labels.cause(info.Err.Cause), info.Conn), info.Err)
}

// closed is for connections in no pool.
func (d *dials) closed(info hale.ClosedInfo) {
	reason := pool.ReasonClosed
	if info.Err != nil {
		reason = pool.ReasonDead
	}
	labels := d.labelsAt(d.labels.end(reason, info.Err), info.Conn)
	d.t.instruments.connectionDuration.Record(context.Background(), info.Open.Seconds(), labels.record...)
}

func (d *dials) labelsAt(s set, c *hale.Conn) set {
	if !d.t.peerAddress {
		return s
	}
	return s.at(c.RemoteAddr())
}

// died counts a death. How long nobody knew has a meaning only if the peer had
// fallen silent: a reset is noticed when it comes.
func (t *Telemetry) died(ctx context.Context, labels set, dead *health.DeadError) {
	t.instruments.deaths.Add(ctx, 1, labels.add...)
	if wentSilent(dead.Cause) {
		t.instruments.detectionDuration.Record(ctx, dead.Silence.Seconds(), labels.record...)
	}
	if dead.Promised > 0 && wasPromised(dead.Cause) {
		share := dead.Silence.Seconds() / dead.Promised.Seconds()
		t.instruments.detectionShare.Record(ctx, share, labels.record...)
		if share > 1 {
			t.instruments.detectionsLate.Add(ctx, 1, labels.add...)
		}
	}
}

// wasPromised reports whether a connection's options say when such a death is noticed.
func wasPromised(c health.Cause) bool { return c.Silent() && c != health.HeartbeatFailed }

// dropped is for connections in no pool: a pool keeps its own.
func (d *dials) dropped(info hale.DroppedInfo) {
	labels := d.labels.dropped
	if d.t.peerAddress {
		labels = labels.at(info.RemoteAddr)
	}
	d.t.instruments.connectionDuration.Record(context.Background(), info.Open.Seconds(), labels.record...)
}

// isDeath reports whether a connection that ended so has died, rather than been
// closed by its user.
func isDeath(c health.Cause) bool { return c != health.LocalClosed }

func wentSilent(c health.Cause) bool { return c.Silent() || c == health.PeerStalled }
