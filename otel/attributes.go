package otelhale

import (
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// The attributes that are hale's own.
const (
	keyCause             = attribute.Key("hale.cause")
	keySilence           = attribute.Key("hale.silence")
	keyPoolName          = attribute.Key("hale.pool.name")
	keyCloseReason       = attribute.Key("hale.close.reason")
	keyConnState         = attribute.Key("hale.connection.state")
	keyInUse             = attribute.Key("hale.connection.in_use")
	keyPath              = attribute.Key("hale.path")
	keyRefused           = attribute.Key("hale.refused")
	keyUnwatched         = attribute.Key("hale.unwatched")
	keyAsked             = "hale.keepalive.asked."
	keyGot               = "hale.keepalive.got."
	keyWindowEarliest    = attribute.Key("hale.window.earliest")
	keyWindowLatest      = attribute.Key("hale.window.latest")
	keyPromised          = attribute.Key("hale.promised")
	keyDetection         = attribute.Key("hale.detection.duration")
	keyOutageID          = attribute.Key("hale.outage.id")
	keyOutageLost        = attribute.Key("hale.outage.lost")
	keyOutageWaiters     = attribute.Key("hale.outage.waiters")
	keyOutageAttempts    = attribute.Key("hale.outage.attempts")
	keyOutageHealed      = attribute.Key("hale.outage.healed")
	keyOutageDuration    = attribute.Key("hale.outage.duration")
	keyReconnectAttempt  = attribute.Key("hale.reconnect.attempt")
	keyReconnectAttempts = attribute.Key("hale.reconnect.attempts")
	keyReconnectPause    = attribute.Key("hale.reconnect.pause")
	keyReconnectBackoff  = attribute.Key("hale.reconnect.backoff")
	keyReconnectDuration = attribute.Key("hale.reconnect.duration")
	keyAcquireWait       = attribute.Key("hale.acquire.wait")
	keyAcquireWaiting    = attribute.Key("hale.acquire.waiting")
	keyAcquireWaited     = attribute.Key("hale.acquire.waited")
	keyHeartbeatOutcome  = attribute.Key("hale.heartbeat.outcome")
	keyProbes            = attribute.Key("hale.probes")
	keyRetransmits       = attribute.Key("hale.retransmits")
	keyLink              = attribute.Key("hale.link")
	keyEndpoint          = attribute.Key("hale.endpoint")
	keyEndpointState     = attribute.Key("hale.endpoint.state")
	keyEjectionReason    = attribute.Key("hale.ejection.reason")
	keyRetryOutcome      = attribute.Key("hale.retry.outcome")
	keyFailoverFrom      = attribute.Key("hale.failover.from")
	keyFailoverTo        = attribute.Key("hale.failover.to")
	keyFailoverCause     = attribute.Key("hale.failover.cause")
	keyFailoverHealed    = attribute.Key("hale.failover.healed")
	keyFailoverDuration  = attribute.Key("hale.failover.duration")
)

// set is a set of attributes in the shapes that instruments take, so that
// recording allocates nothing.
type set struct {
	add     []metric.AddOption
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

func newSet(base []attribute.KeyValue, attrs ...attribute.KeyValue) set {
	all := attribute.NewSet(append(base[:len(base):len(base)], attrs...)...)
	o := metric.WithAttributeSet(all)
	return set{[]metric.AddOption{o}, []metric.RecordOption{o}, []metric.ObserveOption{o}}
}

// at adds a peer to s. It is only for those who asked for it.
func (s set) at(peer net.Addr) set {
	o := metric.WithAttributes(peerAttributes(peer)...)
	s.add = append(s.add[:1:1], o)
	s.record = append(s.record[:1:1], o)
	return s
}

// closing is the end of a connection: why, and of what if it died.
type closing struct {
	reason pool.Reason
	cause  health.Cause
}

// labels are the sets of one pool, or of all dialers in none.
type labels struct {
	base   []attribute.KeyValue
	spans  []attribute.KeyValue // what spans have for base: they need no bound
	plain  set
	causes map[health.Cause]set
	errors map[string]set
	ends   map[closing]set

	passed, failed set // heartbeats
	dropped        set // connections that nobody closed
}

func newLabels(base []attribute.KeyValue) *labels {
	l := &labels{
		base:    base,
		spans:   base,
		plain:   newSet(base),
		causes:  make(map[health.Cause]set),
		errors:  make(map[string]set),
		ends:    make(map[closing]set),
		passed:  newSet(base, keyHeartbeatOutcome.String("passed")),
		failed:  newSet(base, keyHeartbeatOutcome.String("failed")),
		dropped: newSet(base, keyCloseReason.String("dropped")),
	}
	for c := range health.Causes() {
		l.causes[c] = newSet(base, keyCause.String(c.String()))
		l.errors[c.String()] = newSet(base, semconv.ErrorTypeKey.String(c.String()))
	}
	for _, e := range errorTypes {
		l.errors[e] = newSet(base, semconv.ErrorTypeKey.String(e))
	}
	for r := range pool.Reasons() {
		l.addEnds(r)
	}
	return l
}

// addEnds adds the sets of connections that end for a reason.
func (l *labels) addEnds(r pool.Reason) {
	reason := keyCloseReason.String(string(r))
	if !hasCause(r) {
		l.ends[closing{reason: r}] = newSet(l.base, reason)
		return
	}
	for c := range health.Causes() {
		l.ends[closing{r, c}] = newSet(l.base, reason, keyCause.String(c.String()))
	}
}

// hasCause reports whether a connection that ends for a reason has died.
func hasCause(r pool.Reason) bool { return r == pool.ReasonDead || r == pool.ReasonSuspect }

func (l *labels) cause(c health.Cause) set {
	if s, ok := l.causes[c]; ok {
		return s
	}
	return l.causes[health.Unknown]
}

// result is the set for an error, or for none.
func (l *labels) result(err error) set {
	if err == nil {
		return l.plain
	}
	return l.errors[errorType(err)]
}

func (l *labels) end(reason pool.Reason, dead *health.DeadError) set {
	key := closing{reason: reason}
	if dead != nil {
		key.cause = dead.Cause
	}
	if s, ok := l.ends[key]; ok {
		return s
	}
	return l.plain
}

func seconds(k attribute.Key, d time.Duration) attribute.KeyValue { return k.Float64(d.Seconds()) }

// serverAttributes says where a dial goes to. A port that is a name, such as
// "https", is left out.
func serverAttributes(address string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(address)} // a socket's path
	}
	attrs := []attribute.KeyValue{semconv.ServerAddress(host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, semconv.ServerPort(n))
	}
	return attrs
}

// peerAttributes says who is at the other end.
func peerAttributes(peer net.Addr) []attribute.KeyValue {
	if peer == nil {
		return nil
	}
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return []attribute.KeyValue{semconv.NetworkPeerAddress(peer.String())}
	}
	version := semconv.NetworkTypeIPv6
	if tcp.IP.To4() != nil {
		version = semconv.NetworkTypeIPv4
	}
	return []attribute.KeyValue{semconv.NetworkPeerAddress(tcp.IP.String()), semconv.NetworkPeerPort(tcp.Port), version}
}

// keepAliveAttributes lists k under prefix, without what was left alone or is
// not known.
func keepAliveAttributes(prefix string, k sockopt.KeepAlive) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.Bool(prefix+"enabled", !k.Disabled)}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"idle", k.Idle}, {"interval", k.Interval}, {"user_timeout", k.UserTimeout}, {"stall_timeout", k.StallTimeout}, {"pace", k.Pace}} {
		if d.value >= 0 {
			attrs = append(attrs, attribute.Float64(prefix+d.name, d.value.Seconds()))
		}
	}
	if k.Count >= 0 {
		attrs = append(attrs, attribute.Int(prefix+"count", k.Count))
	}
	return attrs
}

// windowAttributes is a detection window, as far as it is known and has an end.
func windowAttributes(earliest, latest time.Duration) []attribute.KeyValue {
	if earliest == sockopt.Never || latest == 0 {
		return nil
	}
	attrs := []attribute.KeyValue{seconds(keyWindowEarliest, earliest)}
	if latest != sockopt.Never {
		attrs = append(attrs, seconds(keyWindowLatest, latest))
	}
	return attrs
}
