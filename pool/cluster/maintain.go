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

// maintain does what is to be done in time, until the cluster is closed.
func (c *Cluster[T]) maintain() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var spill <-chan time.Time
	swept, sampled := time.Now(), time.Now()
	for {
		timer.Reset(c.nextDue(swept, sampled))
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
		if c.config.Ejection.Slow > 0 && now.Sub(swept) >= slowSweep {
			swept = now
			c.sweep()
		}
		if c.config.ByLatency && now.Sub(sampled) >= sampleEvery {
			sampled = now
			c.sample()
		}
		c.refresh()
	}
}

// refresh makes a snapshot as things are now.
func (c *Cluster[T]) refresh() {
	c.mu.Lock()
	c.rebuild()
	c.mu.Unlock()
	c.served()
	c.tell()
}

// nextDue is for how long there is nothing to do.
func (c *Cluster[T]) nextDue(swept, sampled time.Time) time.Duration {
	now, next := time.Now(), time.Hour
	if c.config.Ejection.Slow > 0 {
		next = min(next, swept.Add(slowSweep).Sub(now))
	}
	if c.config.ByLatency {
		next = min(next, sampled.Add(sampleEvery).Sub(now))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.ejection.lasts(now) {
			next = min(next, m.ejection.until.Sub(now))
		}
		if m.warmth(now, c.config.SlowStart) < 1 {
			next = min(next, c.rebuilt.Add(c.config.SlowStart/warmSteps).Sub(now))
		}
	}
	return max(next, time.Millisecond)
}
