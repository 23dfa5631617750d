package cluster

import "time"

const (
	// warmSteps is in how many steps a share grows.
	warmSteps = 50
	// settleAfter is when what a dial has brought is counted: it is in its pool then,
	// as a rule. Where there are, or may be, too many, they are counted again each
	// settleEvery.
	settleAfter = 50 * time.Millisecond
	settleEvery = time.Second
)

// A chore is something that is done every so often, while it is on.
type chore struct {
	every time.Duration
	on    func() bool
	do    func()
	last  time.Time
}

func (c *Cluster[T]) chores() []chore {
	now := time.Now()
	return []chore{
		{slowSweep, func() bool { return c.config.Ejection.Slow > 0 }, c.sweep, now},
		{sampleEvery, func() bool { return c.config.ByLatency }, c.sample, now},
		{lookEvery, c.looking.Load, c.look, now},
	}
}

// maintain does what is to be done in time, until the cluster is closed.
func (c *Cluster[T]) maintain() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var spill <-chan time.Time
	chores := c.chores()
	for {
		due := c.refreshDue()
		timer.Reset(untilFirst(due, chores))
		select {
		case <-c.life.Done():
			return
		case <-c.due:
			continue
		case <-c.spill:
			if spill == nil {
				spill = time.After(settleAfter)
			}
			continue
		case <-spill:
			if spill = nil; c.makeRoom(c.life, nil) {
				spill = time.After(settleEvery)
			}
			continue
		case <-timer.C:
		}
		now := time.Now()
		for i := range chores {
			if o := &chores[i]; o.on() && now.Sub(o.last) >= o.every {
				o.last = now
				o.do()
			}
		}
		if !due.IsZero() && !now.Before(due) {
			c.refresh()
		}
	}
}

// untilFirst is for how long there is nothing to do, at due or of chores.
func untilFirst(due time.Time, chores []chore) time.Duration {
	now, next := time.Now(), time.Hour
	if !due.IsZero() {
		next = min(next, due.Sub(now))
	}
	for _, o := range chores {
		if o.on() {
			next = min(next, o.last.Add(o.every).Sub(now))
		}
	}
	return max(next, time.Millisecond)
}

// refresh makes a snapshot as things are now.
func (c *Cluster[T]) refresh() {
	c.mu.Lock()
	now := time.Now()
	c.prolongDoubts(now)
	for _, m := range c.members {
		if c.contradicted(m) && !now.Before(m.askAt) {
			c.setRole(m, m.about.Load().Role)
		}
	}
	c.rebuild()
	c.mu.Unlock()
	c.served()
	c.tell()
}

// refreshDue is when something changes by itself; zero if nothing does.
func (c *Cluster[T]) refreshDue() (due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	at := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	for _, m := range c.members {
		if m.ejection.lasts(now) {
			at(m.ejection.until)
		}
		if !m.doubt.IsZero() {
			at(m.doubt)
		}
		if c.contradicted(m) {
			at(m.askAt)
		}
		if m.warmth(now, c.config.SlowStart) < 1 {
			at(c.rebuilt.Add(c.config.SlowStart / warmSteps))
		}
	}
	return due
}
