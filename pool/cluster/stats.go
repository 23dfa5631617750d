package cluster

import (
	"maps"
	"sync/atomic"
	"time"

	"example.com/hale/pool"
)

// Stats is what a cluster has done and what it holds. Counts are since New, and
// include those of endpoints that are gone.
type Stats struct {
	Endpoints []EndpointStats // in the order in which they were found; those that drain come last

	MaxConns int // of the Config
	InUse    int // places taken: connections with callers, and callers that dial
	Waiting  int // callers in Acquire that were not served at once

	Waits    int64         // callers that got a connection, but not at once
	WaitTime time.Duration // of all that were not served at once, those that got none included
	Hops     int64         // endpoints that a caller has tried in vain, or for too long

	Retries    int64 // of Do: how often it has run fn again
	Denied     int64 // of Do that Config.Retry did not allow
	Ejections  int64 // of endpoints
	Panics     int64 // how often ejected endpoints were used again
	Fallbacks  int64 // how often those who prefer a replica began to get something else
	Unresolved int64 // answers of Resolve or Watch that failed, or were empty or wrong

	Failovers    int64         // that have ended well
	FailoverTime time.Duration // of those, from the silence of the old primary on
	FailingOver  bool          // one runs
	Panic        bool          // ejected endpoints are used

	// Total is the sum of the pools, those included that are gone. Of its flags Down
	// says that all are, and the others that one is.
	Total pool.Stats
}

// EndpointStats is one endpoint, and its pool.
type EndpointStats struct {
	Endpoint Endpoint      // its Role is what is known of it
	State    string        // "up", "down", "ejected" or "draining"
	Suspect  bool          // it may have frozen: half of what is in use, or more, is suspect, or a dial hangs
	Until    time.Time     // of the ejection; zero if there is none
	Share    float64       // of the callers without a wish, by weight and slow start: 0 to 1
	InUse    int           // places taken
	RTT      time.Duration // with Config.ByLatency; 0 if it is not known
	Pool     pool.Stats
}

// counts is what is counted.
type counts struct {
	waiting, waits, waitTime, hops     atomic.Int64
	retries, denied, ejections, panics atomic.Int64
	fallbacks, unresolved              atomic.Int64
	failovers, failoverTime            atomic.Int64
}

// gone is what the pools of endpoints have counted that are gone.
type gone struct{ total pool.Stats }

func (g *gone) add(st pool.Stats) { addStats(&g.total, st) }

// Stats returns a snapshot.
func (c *Cluster[T]) Stats() Stats {
	st, _ := c.rows()
	return st
}

// rows is Stats, and the pools of its endpoints.
func (c *Cluster[T]) rows() (st Stats, pools []*pool.Pool[T]) {
	st = c.stats.snapshot()
	st.MaxConns, st.InUse = c.config.MaxConns, int(c.inUse.Load())
	c.mu.Lock()
	defer c.mu.Unlock()
	st.FailingOver, st.Panic = c.failover != nil, c.panicking
	addStats(&st.Total, c.gone.total)
	now, down := time.Now(), len(c.members) > 0
	shares, left := c.callersOf(), c.left()
	for _, m := range c.members {
		row := m.row(now)
		row.Share, row.InUse = shares[m], max(0, row.InUse-left[m.inUse])
		st.Endpoints, pools = append(st.Endpoints, row), append(pools, m.pool)
		down = down && m.down
	}
	for _, m := range c.draining {
		st.Endpoints, pools = append(st.Endpoints, m.row(now)), append(pools, m.pool)
	}
	for _, e := range st.Endpoints {
		addStats(&st.Total, e.Pool)
	}
	st.Total.MaxConns, st.Total.Down = c.config.MaxConns, down
	return st, pools
}

// callersOf is what part each member gets of the callers without a wish. The caller holds
// mu.
func (c *Cluster[T]) callersOf() map[*member[T]]float64 {
	if near := c.snapshot.Load().of(Any).near; len(near) > 0 {
		return near[0].shares()
	}
	return nil
}

// left is what members that drain have in use, by where their places are counted, since
// one that has returned meanwhile counts there, too. The caller holds mu.
func (c *Cluster[T]) left() map[*atomic.Int64]int {
	left := make(map[*atomic.Int64]int, len(c.draining))
	for _, m := range c.draining {
		left[m.inUse] += m.pool.Stats().InUse
	}
	return left
}

// row is that of a member, but for its share. The caller holds the mutex of the cluster.
func (m *member[T]) row(now time.Time) EndpointStats {
	row := EndpointStats{Endpoint: m.endpoint(), State: "up", InUse: int(m.inUse.Load()), RTT: time.Duration(m.rtt.Load()), Pool: m.pool.Stats()}
	row.Endpoint.Role, row.Suspect = m.role, m.inDoubt(now)
	switch {
	case m.draining:
		row.State, row.InUse = "draining", row.Pool.InUse
	case m.down:
		row.State = "down"
	case m.ejection.lasts(now):
		row.State, row.Until = "ejected", m.ejection.until
	}
	return row
}

func (n *counts) snapshot() Stats {
	return Stats{
		Waiting: int(n.waiting.Load()), Waits: n.waits.Load(), WaitTime: time.Duration(n.waitTime.Load()), Hops: n.hops.Load(),
		Retries: n.retries.Load(), Denied: n.denied.Load(), Ejections: n.ejections.Load(), Panics: n.panics.Load(),
		Fallbacks: n.fallbacks.Load(), Unresolved: n.unresolved.Load(),
		Failovers: n.failovers.Load(), FailoverTime: time.Duration(n.failoverTime.Load()),
	}
}

// addStats adds one pool's to those of others.
func addStats(to *pool.Stats, st pool.Stats) {
	to.Conns += st.Conns
	to.Idle += st.Idle
	to.InUse += st.InUse
	to.Dialing += st.Dialing
	to.Quarantined += st.Quarantined
	to.Unwatched += st.Unwatched
	to.Waiting += st.Waiting
	to.Acquires += st.Acquires
	to.Waits += st.Waits
	to.WaitTime += st.WaitTime
	to.Dials += st.Dials
	to.DialErrors += st.DialErrors
	to.DialTime += st.DialTime
	to.Retries += st.Retries
	to.Deaths = summed(to.Deaths, st.Deaths)
	to.Recycled = summed(to.Recycled, st.Recycled)
	to.Outages += st.Outages
	to.OutageTime += st.OutageTime
	to.Silence += st.Silence
	to.Invalidations += st.Invalidations
	to.Full = to.Full || st.Full
	to.Unmonitored = to.Unmonitored || st.Unmonitored
}

func summed[K comparable](a, b map[K]int64) map[K]int64 {
	if len(b) == 0 {
		return a
	}
	sum := maps.Clone(a)
	if sum == nil {
		sum = make(map[K]int64, len(b))
	}
	for k, n := range b {
		sum[k] += n
	}
	return sum
}
