package cluster

import (
	"math"
	"sync/atomic"
	"time"

	"example.com/hale/pool"
)

// A member is an endpoint that the cluster has a pool for.
type member[T any] struct {
	key  string
	hash uint64
	pool *pool.Pool[T]
	most int64 // connections in use at a time

	about   atomic.Pointer[Endpoint] // as it was resolved last
	inUse   *atomic.Int64            // places taken, also of those before that drain still
	fails   atomic.Int64             // uses that failed, in a row
	said    atomic.Pointer[moment]   // when it has said last what its role is; nil if it is to be asked
	follows atomic.Bool              // its role is Replica
	rtt     atomic.Int64             // of the path, in nanoseconds; 0 is not known
	path    path                     // where rtt is read from
	speed   speed                    // what Do took of late
	open    bool                     // it is one of openMembers, which guards it

	// Guarded by the mutex of the cluster.
	since    time.Time // new, or well again, from then on; the zero time is for ever
	down     bool      // an outage runs
	outage   pool.Outage
	draining bool
	lost     bool // a connection has died since the endpoint was in an answer
	ejection ejection
	doubt    time.Time // until when it is in doubt; zero if it is not
	role     Role
	became   uint64    // when it became the primary, by the count of such events; 0 is never, and see beforeAll
	heard    bool      // it has said itself what it is
	asked    uint64    // how often its role was learned since nothing was known
	asking   *asking   // nil if it is not being asked for its role
	askAt    time.Time // when it is to be asked again, if it was replaced; or to be believed the resolver
	news     uint64    // counts what has come of it but by asking
}

// beforeAll is when a member became the primary that was it before the cluster knew it,
// and has been replaced since, as the resolver says: after never, and before any event.
const beforeAll = 1

func (m *member[T]) endpoint() Endpoint { return *m.about.Load() }

// load is how much is in use for its weight.
func (m *member[T]) load() float64 { return float64(m.inUse.Load()) / m.about.Load().weight() }

// enter takes a place, if there is one.
func (m *member[T]) enter() bool { return take(m.inUse, m.most) }

// take adds one to n, unless that is more than most.
func take(n *atomic.Int64, most int64) bool {
	for {
		now := n.Load()
		if now >= most {
			return false
		}
		if n.CompareAndSwap(now, now+1) {
			return true
		}
	}
}

// play sets the role. The caller holds the mutex of the cluster, once others know m.
func (m *member[T]) play(role Role) {
	m.role = role
	m.follows.Store(role == Replica)
}

// forget has the role asked for again; an answer that is on its way does not count for
// that. The caller holds the mutex of the cluster.
func (m *member[T]) forget() {
	m.said.Store(nil)
	m.news++
}

// usable reports whether it may be chosen, ejected or not. The caller holds the
// mutex of the cluster.
func (m *member[T]) usable() bool { return !m.draining && !m.down }

// warmest is the part of its weight that a member has when it is new.
const coldest = 0.1

// warmth is the part of its weight that m has by now. The caller holds the mutex of
// the cluster.
func (m *member[T]) warmth(now time.Time, slowStart time.Duration) float64 {
	if slowStart == 0 || m.since.IsZero() {
		return 1
	}
	age := now.Sub(m.since)
	if age >= slowStart {
		return 1
	}
	return math.Max(coldest, age.Seconds()/slowStart.Seconds())
}
