// Package otelhale records in OpenTelemetry what connections and pools of hale
// go through: which peer died, when it really went silent, how long that went
// unnoticed, why, what it cost, and when it was healed.
//
//	telemetry, err := otelhale.New()
//	...
//	orders, err := telemetry.Pool("orders")
//	...
//	dialer := &hale.Dialer{Observer: orders.Dialer()}
//	p, err := pool.New(pool.Config[net.Conn]{
//		Name:     orders.Name(),
//		Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
//		MaxConns: 8,
//		Observer: orders.Observer(),
//	})
//	...
//	err = orders.Register(p)
//
// A [hale.Dialer] outside of pools takes [Telemetry.Dialer].
//
// # Spans
//
// "connect {host:port}", of kind client, is one dial: a child of the acquire
// or the reconnect that caused it, or of the span in the dial's context; a
// root for a connection that the pool opens unasked.
//
// An outage is a trace of its own. Its root is "detection {pool}": the time from the
// peer's last sign of life until the outage was noticed. It ends when the outage is
// told of, so a backend shows it while the outage lasts, with the attempts to connect
// that are its children; a process that is killed meanwhile loses the end alone.
//
// "outage {pool}" in it is the whole, from the peer's last sign of
// life (not from its detection) until the pool was whole again. It has links to
// the spans that were using the connections which died. It is exported when it
// ends. Its status is Error, healed or not:
// hale.outage.healed tells which. Its start is fixed at detection and not
// revised. hale.window.earliest counts from the last sign of life of the
// connection that died, and the start may be later than that, if another
// connection was heard last; hale.detection.duration is then shorter than that.
//
// "reconnect {pool}" inside it goes from the first attempt to the first that
// succeeds, with a hale.reconnect.attempt event for each, which has the pause before
// it. The connects of the attempts are beside it, in the detection: in a backend
// nothing may stand below what has not ended. They are inside the reconnect if the
// detection is left out ([WithoutSpans]).
//
// A head sampler (TraceIDRatioBased, say) knows no outage from a request, and drops
// nearly all of them: [WithOutageTracerProvider] keeps them.
//
// "acquire {pool}" is an Acquire that had to wait, with a link to the outage
// during which it did. One that is served at once makes no span, and calls
// nothing at all, but with [WithEveryAcquire].
//
// "failover {cluster}" is a trace of its own, as an outage is: from the last sign of
// life of the primary that was lost, or from when it was noticed that it is the primary
// no more, to the first use of the next. It has a link to the outage. Its status is
// Error.
//
// Nothing is made for a probe, for a read or write, or for a call of a pool's
// Resolve: the connections that it closes have ended as moved.
//
// # Events
//
// hale.detected is the moment in which a death became known, on the outage and
// on the span of the request that was using the connection, if that still
// records. hale.lost, on the outage, is one connection that died. hale.suspect
// and hale.recovered, on the outage, are a peer that leaves something
// unanswered, and answers after all; those that lead to no outage are only
// counted. An outage tells of a hundred at most; its attributes have the
// numbers. With [WithLoggerProvider] all of them are log records of the same
// names, correlated with the same spans.
//
// # Attributes
//
// Besides server.address, server.port, network.transport, network.type,
// network.peer.address and network.peer.port of the semantic conventions:
//
//	error.type                    a cause of package health, or one of the words below
//	hale.cause                    why a connection died: health.Cause
//	hale.silence                  how long the peer had been silent, seconds
//	hale.pool.name
//	hale.path                     connect: how the keepalive options were set
//	hale.keepalive.asked.*        connect: enabled, idle, interval, user_timeout, stall_timeout, pace (seconds), count
//	hale.keepalive.got.*          connect: the same, as the kernel holds it
//	hale.refused                  connect: the options that the kernel does not hold as asked
//	hale.unwatched                connect: why the death watch cannot watch the connection
//	hale.window.earliest          connect, detection, outage: earliest possible detection after the death, predicted, seconds
//	hale.window.latest            connect, detection, outage: latest possible detection after the death, predicted, seconds
//	hale.promised                 detection, outage: within what time of the death it was to be noticed, seconds
//	hale.detection.duration       detection, outage: from its start to its detection, seconds
//	hale.outage.id                detection, outage, acquire: counts the outages of the pool
//	hale.outage.lost              outage: connections lost to it
//	hale.outage.waiters           outage: most callers that waited at a time
//	hale.outage.attempts          outage: dials
//	hale.outage.healed            outage: false if the pool was closed before
//	hale.outage.duration          outage: seconds
//	hale.reconnect.attempts       reconnect: dials
//	hale.reconnect.backoff        reconnect: the pauses between them, seconds in all
//	hale.reconnect.attempt        event: which one, from 1
//	hale.reconnect.pause          event: before it, seconds
//	hale.reconnect.duration       event: of it, seconds
//	hale.acquire.wait             acquire: seconds
//	hale.acquire.waiting          acquire: how many waited when it began
//	hale.connection.in_use        event: whether a caller was using the connection that died
//	hale.probes                   event: keepalive probes that are unanswered
//	hale.retransmits              event: retransmissions that are unanswered
//	hale.link                     link: "victim", "outage"
//	hale.endpoint                 spans of a cluster's pools: the address; metrics: the address, or "other"
//	hale.endpoint.state           metrics of a cluster: up, down, ejected, draining
//	hale.ejection.reason          failures, slow
//	hale.retry.outcome            sent, denied
//	hale.failover.from            failover: the address of the primary that was lost
//	hale.failover.to              failover: that of the next
//	hale.failover.cause           failover: outage, demoted, replaced, removed
//	hale.failover.healed          failover: false if the cluster was closed before
//	hale.failover.duration        failover: seconds
//
// hale.cause is from the closed list of [health.Causes]: unknown,
// keepalive_timeout, send_timeout, peer_stalled, reset, peer_closed,
// unreachable, heartbeat_failed, local_closed, aborted. hale.close.reason is from that
// of [pool.Reasons]: dead and suspect, which come with a cause, and fault,
// unread, lifetime, idle_time, surplus, invalid, moved, closed, hijacked, shutdown. A
// connection in no pool that was never closed is dropped.
//
// error.type is from a closed list: the causes of [health.Cause], and
// canceled, timeout, dns, connection_refused, address_not_available,
// too_many_open_files, permission_denied, unsupported, invalid_keepalive,
// unavailable, pool_closed, too_many_waiters and _OTHER. Errors are never recorded as exceptions.
//
// # Metrics
//
// Times are in seconds. Those of a pool and of the dialer from its Dialer
// method have hale.pool.name; those of [Telemetry.Dialer] do not. No attribute
// is unbounded unless [WithPeerAddress] makes it so.
//
//	hale.connect.duration              histogram  error.type if it failed
//	hale.connection.duration           histogram  hale.close.reason, with hale.cause for a dead one
//	hale.detection.duration            histogram  hale.cause; of silent deaths: from the last sign of life to its detection
//	hale.detection.share               histogram  hale.cause; the same, of what was promised (health.DeadError.Promised); more than 1 is late
//	hale.detections.late               counter    hale.cause; those above 1
//	hale.deaths                        counter    hale.cause
//	hale.suspects, hale.recoveries     counters
//	hale.connection.rtt                histogram  smoothed round-trip time, at looks of the watch that find something acknowledged
//	hale.connection.unanswered_probes  histogram  at each look: keepalive and window probes since the peer was last heard
//	hale.connection.in_flight          histogram  at each look: bytes sent and not acknowledged
//	hale.connection.sent               counter    bytes, retransmissions included
//	hale.connection.retransmitted      counter    bytes; of those sent, the share that was lost or late
//	hale.acquire.duration              histogram  error.type if it failed; only of those that waited, but with [WithEveryAcquire]
//	hale.acquires                      counter    hale.acquire.waited: all that got a connection
//	hale.connection.count              gauge      hale.connection.state: idle, used, quarantined
//	hale.connection.limit              gauge
//	hale.connection.pending_acquires   gauge
//	hale.outage.active                 gauge      1 while the endpoint cannot be reached
//	hale.pool.unmonitored              gauge      1 while Config.Monitor of the pool has no connection to judge by
//	hale.outage.duration               histogram  error.type
//	hale.reconnect.duration            histogram  from the first attempt to success; error.type if there was none
//	hale.reconnect.attempts            counter    error.type if it failed
//	hale.heartbeats                    counter    hale.heartbeat.outcome: passed, failed
//	hale.endpoint.count                gauge      hale.endpoint.state
//	hale.ejections                     counter    hale.endpoint, hale.ejection.reason
//	hale.retries                       counter    hale.retry.outcome
//	hale.resolve.failures              counter    of what says which endpoints there are
//	hale.failover.duration             histogram  hale.failover.cause
//
// [Telemetry.Cluster] is for a cluster: hale.pool.name is its name then, and what its
// pools record has hale.endpoint as well. In metrics that is the address of the first 32
// endpoints that there are, gone or not; all that come later are "other".
// hale.connection.limit and hale.connection.pending_acquires are the cluster's, and so
// are the last five of the list.
//
// What the kernel knows of a living connection (RTT, probes, bytes) is what the watch
// of a hale.Conn sees when it looks, about as often as keepalive asks, and costs no
// system call; Linux alone tells it.
//
// The gauges are UpDownCounters, so that pools add up. What belongs to an
// outage is recorded in its trace, and exemplars lead there.
//
// All names that begin with hale are its own: the semantic conventions, as of version
// 1.43.0, have none for connections, keepalive, pools other than those of database
// clients, or reconnects. The attributes that do not are those of the conventions.
//
// [WithDBClientMetrics] adds db.client.connection.count, idle.max, max,
// pending_requests, timeouts, create_time and wait_time of the semantic
// conventions. wait_time is only of those that waited, but with
// [WithEveryAcquire], and use_time is not there: either makes every Acquire pay.
package otelhale
