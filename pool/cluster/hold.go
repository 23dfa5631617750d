package cluster

import (
	"slices"
	"time"
)

// held is an endpoint that an answer has had, and when that was.
type held struct {
	endpoint Endpoint
	last     time.Time // zero if it is in the last answer
}

// withHeld is all that the last answer has, and those before it had that are not to go
// yet. The caller holds updating.
func (c *Cluster[T]) withHeld(answer []Endpoint) []Endpoint {
	if c.config.Hold == 0 {
		return answer
	}
	known, taken := make(map[string]bool, len(answer)), make(map[string]bool, len(answer))
	kept := make([]held, 0, len(answer))
	for _, e := range answer {
		known[e.key()], taken[e.Address] = true, true
		kept = append(kept, held{endpoint: e})
	}
	for _, h := range c.held {
		if taken[h.endpoint.Address] { // by itself, or another that has the address now
			continue
		}
		if h.last.IsZero() {
			h.last = time.Now()
		}
		kept = append(kept, h)
	}
	c.held = kept
	c.mu.Lock()
	for _, m := range c.members {
		m.lost = m.lost && !known[m.key]
	}
	c.mu.Unlock()
	return c.dropHeld()
}

// dropHeld drops what was held for long enough, or was lost, and returns what is left.
// The caller holds updating.
func (c *Cluster[T]) dropHeld() (left []Endpoint) {
	now, lost := time.Now(), c.lostMembers()
	c.held = slices.DeleteFunc(c.held, func(h held) bool {
		return !h.last.IsZero() && (c.config.Hold > 0 && now.Sub(h.last) >= c.config.Hold || lost[h.endpoint.key()])
	})
	for _, h := range c.held {
		left = append(left, h.endpoint)
	}
	return left
}

// lostMembers is those that have an outage, or a connection that died.
func (c *Cluster[T]) lostMembers() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := make(map[string]bool)
	for _, m := range c.members {
		if m.down || m.lost {
			lost[m.key] = true
		}
	}
	return lost
}

// releaseHeld drops what is due, until the cluster is closed.
func (c *Cluster[T]) releaseHeld() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-c.release:
		case <-timer.C:
		}
		timer.Reset(c.releaseDue())
	}
}

// releaseDue drops what is due, and returns when to look again.
func (c *Cluster[T]) releaseDue() (next time.Duration) {
	c.updating.Lock()
	defer c.updating.Unlock()
	before := len(c.held)
	if left := c.dropHeld(); len(left) < before && c.life.Err() == nil {
		_ = c.use(left) // there is nothing new, so nothing can fail
	}
	next = time.Hour
	for _, h := range c.held {
		if !h.last.IsZero() && c.config.Hold > 0 {
			next = min(next, time.Until(h.last.Add(c.config.Hold)))
		}
	}
	return max(next, time.Millisecond)
}
