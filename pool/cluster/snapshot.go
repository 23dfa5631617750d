package cluster

import (
	"time"

	"example.com/hale/pool"
)

// A Snapshot is what a cluster does and holds at one moment, for whoever shows it to
// people, as package pool/debugpage does. It is the caller's own, but for what it
// points to: errors, and connections.
type Snapshot struct {
	Name  string // of the Config
	At    time.Time
	Stats Stats
	Pools []pool.Snapshot // of Stats.Endpoints, in the same order
}

// Snapshot returns what the cluster does and holds now. It costs what
// [pool.Pool.Snapshot] does, for each endpoint; the cluster does nothing for it while
// nobody calls it.
func (c *Cluster[T]) Snapshot() Snapshot {
	s := Snapshot{Name: c.config.Name, At: time.Now()}
	st, pools := c.rows()
	s.Stats, s.Pools = st, make([]pool.Snapshot, len(pools))
	for i, p := range pools {
		s.Pools[i] = p.Snapshot()
	}
	return s
}
