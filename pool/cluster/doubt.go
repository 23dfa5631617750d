package cluster

import "time"

// An endpoint is in doubt if its connections, or its dials, look as if it had frozen,
// before that is known to be an outage. Then the others are chosen, if those are at
// least half.

const (
	// lookEvery is how often what is in use is looked at, as long as anything is.
	lookEvery = 250 * time.Millisecond
	// doubtFor is how long an endpoint is in doubt after the last sign of it, unless
	// it is connected to before.
	doubtFor = time.Second
)

func (m *member[T]) inDoubt(now time.Time) bool { return now.Before(m.doubt) }

// calm is those of all that are not in doubt, or all if most are: then it is this
// machine, or its network, that is.
func calm[T any](all []*member[T], now time.Time) []*member[T] {
	calm := filter(all, func(m *member[T]) bool { return !m.inDoubt(now) })
	if 2*len(calm) < len(all) {
		return all
	}
	return calm
}

// beginLooking has suspects looked for, if that is not done yet.
func (c *Cluster[T]) beginLooking() {
	if c.looking.CompareAndSwap(false, true) {
		signal(c.due)
	}
}

// look looks for endpoints at which half of what is in use, or more, is suspect.
func (c *Cluster[T]) look() {
	if c.inUse.Load() == 0 {
		c.looking.Store(false)
		if c.inUse.Load() == 0 {
			return // who begins a use now finds that nobody looks
		}
		c.looking.Store(true)
	}
	c.mu.Lock()
	all := filter(c.members, func(m *member[T]) bool { return m.inUse.Load() > 0 && m.usable() })
	c.mu.Unlock()
	for _, m := range all {
		if m.isSuspect() {
			c.setDoubt(m)
		}
	}
}

// isSuspect looks at all connections that are in use: one that is not may be suspect for
// reasons of its own, or be called so because it is to be checked.
func (m *member[T]) isSuspect() bool {
	used, suspect := 0, 0
	for _, conn := range m.pool.Snapshot().Conns {
		if conn.State != "in_use" {
			continue
		}
		if used++; conn.Suspect {
			suspect++
		}
	}
	return suspect > 0 && 2*suspect >= used
}

// setDoubt takes note of a sign.
func (c *Cluster[T]) setDoubt(m *member[T]) {
	c.mu.Lock()
	now := time.Now()
	was := m.inDoubt(now)
	m.doubt = now.Add(doubtFor)
	if !was {
		c.rebuild()
	}
	c.mu.Unlock()
	if !was {
		signal(c.due)
		c.tell()
	}
}

// endDoubt takes note that m was connected to.
func (c *Cluster[T]) endDoubt(m *member[T]) {
	c.mu.Lock()
	if m.doubt.IsZero() {
		c.mu.Unlock()
		return
	}
	m.doubt = time.Time{}
	c.rebuild()
	c.mu.Unlock()
	c.afterChange()
}

// prolongDoubts has a doubt go on as long as a dial hangs. The caller holds mu.
func (c *Cluster[T]) prolongDoubts(now time.Time) {
	for _, m := range c.members {
		switch {
		case m.doubt.IsZero() || m.inDoubt(now):
		case m.pool.Stats().Dialing > 0:
			m.doubt = now.Add(doubtFor)
		default:
			m.doubt = time.Time{}
		}
	}
}
