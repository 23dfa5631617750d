package cluster

import (
	"slices"
	"time"

	"example.com/hale/pool"
)

// rebuild makes a snapshot of what is known, and notes what follows from it. Its
// caller holds mu, and calls afterChange when it does not any more.
func (c *Cluster[T]) rebuild() {
	now := time.Now()
	c.rebuilt = now
	s := new(snapshot[T])
	usable := filter(c.members, func(m *member[T]) bool { return m.usable() })
	well := filter(usable, func(m *member[T]) bool { return !m.ejection.lasts(now) })
	c.setPanic(len(well), len(usable))
	for _, role := range [...]Role{Any, Primary, Replica} {
		plays := func(m *member[T]) bool { return role == Any || m.role == role }
		fit := filter(usable, plays)
		if role == Primary && !c.config.ManyPrimaries {
			fit = last(fit)
		}
		among := filter(fit, func(m *member[T]) bool { return c.panicking || !m.ejection.lasts(now) })
		if len(among) == 0 { // one that answers badly is better than none
			among = fit
		}
		s.by[role] = c.offer(among, filter(c.members, plays), now)
	}
	s.by[PreferReplica] = s.by[Any]
	if replicas := s.by[Replica]; len(replicas.fit) > 0 {
		s.by[PreferReplica] = replicas.or(&s.by[Any])
	}
	before := c.snapshot.Swap(s)
	if len(before.of(Primary).fit) > 0 && !c.hasPrimary() {
		c.round = c.begun // what was asked before, or is being asked, does not count
	}
	c.noteFailover(before, s, now)
	c.announce()
}

// last is the one that has become the primary last.
func last[T any](primaries []*member[T]) []*member[T] {
	if len(primaries) < 2 {
		return primaries
	}
	newest := primaries[0]
	for _, m := range primaries {
		if m.became > newest.became {
			newest = m
		}
	}
	return []*member[T]{newest}
}

func filter[T any](all []*member[T], keep func(*member[T]) bool) (kept []*member[T]) {
	for _, m := range all {
		if keep(m) {
			kept = append(kept, m)
		}
	}
	return kept
}

// setPanic decides whether ejected members are used. The caller holds mu.
func (c *Cluster[T]) setPanic(well, usable int) {
	all := len(c.members)
	panics := usable > well && 2*well < all
	if panics == c.panicking {
		return
	}
	c.panicking = panics
	if panics {
		c.stats.panics.Add(1)
	}
	tell(c, c.config.Observer.set().Panic, PanicInfo{Active: panics, Well: well, All: all})
}

// announce wakes who waits for news. The caller holds mu.
func (c *Cluster[T]) announce() {
	close(c.news)
	c.news = make(chan struct{})
}

// nextNews is closed when the snapshot changes next.
func (c *Cluster[T]) nextNews() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.news
}

// afterChange does what a new snapshot entails, without mu.
func (c *Cluster[T]) afterChange() {
	if c.config.Role != nil {
		c.mu.Lock()
		seek := len(c.toAsk()) > 0 || len(filter(c.members, c.replaced)) > 0
		c.mu.Unlock()
		if seek {
			signal(c.seek)
		}
	}
	signal(c.due)
	defer c.tell()
	c.served()
}

// tell has the Observer told of something. Its caller holds mu, and calls
// Cluster.tell when it does not any more.
func tell[T, I any](c *Cluster[T], hook func(I), info I) {
	if hook != nil && !c.closed {
		c.untold = append(c.untold, func() { hook(info) })
	}
}

// tellClosed has the Observer told of the end, once, after all that came before.
func (c *Cluster[T]) tellClosed() {
	c.mu.Lock()
	if hook := c.config.Observer.set().Closed; hook != nil && !c.toldEnd {
		c.untold = append(c.untold, hook)
	}
	c.toldEnd = true
	c.mu.Unlock()
	c.tell()
}

// tell tells the Observer what it has not been told, in order, unless somebody else
// is at it.
func (c *Cluster[T]) tell() {
	for {
		c.mu.Lock()
		if c.telling || len(c.untold) == 0 {
			c.mu.Unlock()
			return
		}
		next := c.untold[0]
		c.untold = c.untold[1:]
		c.telling = true
		c.mu.Unlock()
		c.tellOne(next)
	}
}

func (c *Cluster[T]) tellOne(call func()) {
	defer func() {
		c.mu.Lock()
		c.telling = false
		c.mu.Unlock()
	}()
	call()
}

// hopeless reports whether a caller with a wish, who does not want to wait for an
// endpoint, has none to wait for.
func (c *Cluster[T]) hopeless(w *wish) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.members) == 0 {
		return c.unknown
	}
	if len(c.snapshot.Load().of(w.role).fit) > 0 {
		return false
	}
	return w.role == Any || c.config.Role == nil || c.rounds > c.round && !c.mayLearn()
}

// mayLearn reports whether an endpoint is to be asked that may be something else than
// was known. The caller holds mu.
func (c *Cluster[T]) mayLearn() bool {
	now := time.Now()
	return slices.ContainsFunc(c.members, func(m *member[T]) bool {
		return m.usable() && c.isDue(m, now)
	})
}

// poolObserver is what the cluster hears of the pool of m.
func (c *Cluster[T]) poolObserver(m *member[T]) *pool.Observer {
	return &pool.Observer{
		OutageBegin: func(o pool.Outage) { c.outage(m, o) },
		OutageEnd:   func(o pool.Outage) { c.outage(m, o) },
		Evict: func(i pool.EvictInfo) {
			if i.Reason == pool.ReasonDead || i.Reason == pool.ReasonSuspect {
				c.loseConn(m)
			}
		},
	}
}

// loseConn takes note of a connection that has died.
func (c *Cluster[T]) loseConn(m *member[T]) {
	if c.config.Hold != 0 {
		c.mu.Lock()
		m.lost = true
		c.mu.Unlock()
		signal(c.release)
	}
	signal(c.lost)
}

// outage takes note of one that has begun or ended.
func (c *Cluster[T]) outage(m *member[T], o pool.Outage) {
	c.mu.Lock()
	m.down, m.outage = o.Ended.IsZero(), o
	m.forget()
	if o.Healed {
		m.since = o.Ended
	}
	c.rebuild()
	c.mu.Unlock()
	if o.Ended.IsZero() {
		signal(c.lost)
		signal(c.release)
	}
	c.afterChange()
}

// noteFailover compares who the primary was and is. The caller holds mu.
func (c *Cluster[T]) noteFailover(before, after *snapshot[T], now time.Time) {
	old := c.primary
	if now := after.of(Primary).fit; len(now) > 0 {
		if old == nil || !slices.Contains(now, old) {
			c.primary = now[0]
		}
		if old == nil || slices.Contains(now, old) {
			return
		}
	} else if old == nil || len(before.of(Primary).fit) == 0 {
		return
	}
	if c.failover != nil || c.closed {
		return
	}
	f := FailoverInfo{From: old.endpoint(), Cause: "demoted", Began: now, Detected: now}
	switch {
	case old.draining:
		f.Cause = "removed"
	case old.down:
		f.Cause, f.Began, f.Detected, f.Err = "outage", old.outage.Began, old.outage.Detected, outageError(old.outage)
	case old.role == Primary:
		f.Cause = "replaced"
	}
	c.failover = &f
	c.failing.Store(true)
	tell(c, c.config.Observer.set().FailoverBegin, f)
}

// endFailover takes note of a use of the primary that went well; of one that was
// lost already it shows nothing.
func (c *Cluster[T]) endFailover(m *member[T]) {
	c.mu.Lock()
	if c.failover != nil && slices.Contains(c.snapshot.Load().of(Primary).fit, m) {
		c.closeFailover(m.endpoint(), true)
	}
	c.mu.Unlock()
	c.tell()
}

// closeFailover closes the account of the one that runs. The caller holds mu.
func (c *Cluster[T]) closeFailover(to Endpoint, healed bool) {
	f := *c.failover
	f.To, f.Ended, f.Healed = to, time.Now(), healed
	c.failover = nil
	c.failing.Store(false)
	if healed {
		c.stats.failovers.Add(1)
		c.stats.failoverTime.Add(int64(f.Ended.Sub(f.Began)))
	}
	tell(c, c.config.Observer.set().FailoverEnd, f)
}

// noteFallback takes note that a caller who prefers a replica gets m, and has the
// Observer told, if that is something else for the first time, or a replica again.
func (c *Cluster[T]) noteFallback(m *member[T]) {
	fell := !m.follows.Load()
	if c.fell.Load() == fell {
		return
	}
	c.mu.Lock()
	if c.fell.Swap(fell) != fell {
		if fell {
			c.stats.fallbacks.Add(1)
		}
		replicas := filter(c.members, func(m *member[T]) bool { return m.role == Replica })
		tell(c, c.config.Observer.set().Fallback, FallbackInfo{Active: fell, Replicas: len(replicas)})
	}
	c.mu.Unlock()
	c.tell()
}
