package cluster

import "time"

// How old is what a member has said of its role.

// A moment is a time by two clocks: that of Go's timers, which stands still while the
// machine is suspended (CLOCK_MONOTONIC, clock_gettime(2)), and that of the wall, which
// may be set.
type moment struct {
	awake time.Time
	wall  int64 // Unix, in nanoseconds
}

func momentNow() moment {
	now := time.Now()
	return moment{now, now.UnixNano()}
}

// age is how long ago m was, by the clock that says more.
func (m moment) age() time.Duration {
	now := momentNow()
	return max(now.awake.Sub(m.awake), time.Duration(now.wall-m.wall))
}

// An answer is what was said of a member's role.
type answer struct {
	role  Role
	asked moment // no later than it was said
	news  uint64 // of the member, then
}

// ask begins an answer of m.
func (c *Cluster[T]) ask(m *member[T]) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return answer{asked: momentNow(), news: m.news}
}

// fresh reports whether m has said lately what its role is.
func (c *Cluster[T]) fresh(m *member[T]) bool { return c.within(m, c.config.RoleMaxAge) }

// within reports whether m has said within age what its role is; negative is ever.
func (c *Cluster[T]) within(m *member[T], age time.Duration) bool {
	said := m.said.Load()
	return said != nil && (age < 0 || said.age() < age)
}

// recent reports whether what m has said of its role holds for a caller, who may have
// asked just now: an answer may take as long as it may, but no standstill of this process
// longer.
func (c *Cluster[T]) recent(m *member[T], justAsked bool) bool {
	return c.fresh(m) || justAsked && c.within(m, c.config.RoleTimeout+lateAfter)
}
