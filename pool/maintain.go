package pool

import "time"

const (
	// asideEvery is how often slots that were put aside are looked at.
	asideEvery = 100 * time.Millisecond
	// roundEvery bounds the time between two rounds of a pool whose
	// connections have limits.
	roundEvery = time.Second
	// roundLeast is the shortest time to the next round.
	roundLeast = time.Millisecond
)

// maintain is the pool's own goroutine: it runs a round whenever something has
// happened or is due.
func (p *Pool[T]) maintain() {
	timer := time.NewTimer(roundEvery)
	defer timer.Stop()
	for {
		select {
		case <-p.life.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		timer.Reset(p.round())
	}
}

// round does everything that is due, and returns when something will be.
func (p *Pool[T]) round() time.Duration {
	p.lookAside()
	next := p.tidyIdle()
	p.refill()
	p.assess()
	p.endOutage()
	next = min(next, p.reportLeaks())
	return max(min(next, p.comingUp()), roundLeast)
}

// comingUp is when there will be something to do that no idle slot tells of:
// slots that are in use now may be released just before.
func (p *Pool[T]) comingUp() (next time.Duration) {
	next = roundEvery
	if p.config.MaxConnIdleTime > 0 {
		next = min(next, p.config.MaxConnIdleTime)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.aside) > 0 || p.asks() {
		next = min(next, asideEvery)
	}
	now := time.Now()
	for _, at := range []time.Time{p.reconnector.refillAt, p.reconnector.dialAt} {
		if at.After(now) {
			next = min(next, at.Sub(now))
		}
	}
	if p.config.MaxConnLifetime > 0 {
		for s := range p.filled {
			if s.expiry.After(now) {
				next = min(next, s.expiry.Sub(now))
			}
		}
	}
	return next
}

// lookAside gives those that were put aside back, or up.
func (p *Pool[T]) lookAside() {
	p.mu.Lock()
	aside := p.aside
	p.aside = nil
	p.mu.Unlock()
	for _, s := range aside {
		reason, _ := p.unfitness(s)
		if reason != "" || !s.dubious() || !p.asideAgain(s) {
			p.consider(s)
		}
	}
}

// consider decides about a slot that the pool holds itself.
func (p *Pool[T]) consider(s *slot[T]) {
	reason, dead := p.unfitness(s)
	switch {
	case reason != "":
		p.discard(s, reason, dead)
	case s.dubious():
		p.putAside(s)
	case s.check != nil && (s.doubt.Load() || p.queued.Load() > 0 && p.needsCheck(s)):
		p.background(s, s.check, ReasonSuspect)
	default:
		s.doubt.Store(false)
		p.offer(s, unused)
	}
}

// tidyIdle looks at every idle slot: closes those whose time is over, checks
// those in doubt, and lets the others be. It returns when the next is due.
func (p *Pool[T]) tidyIdle() (next time.Duration) {
	next = roundEvery
	p.sweep(func(s *slot[T]) { next = min(next, p.tidy(s)) })
	return next
}

func (p *Pool[T]) tidy(s *slot[T]) (next time.Duration) {
	limit, idle := p.config.MaxConnIdleTime, s.res.IdleDuration()
	if limit > 0 && idle >= limit && p.spare() {
		p.discard(s, ReasonIdle, nil)
		return roundEvery
	}
	p.consider(s)
	if limit > 0 {
		return min(roundEvery, max(limit-idle, roundEvery/10))
	}
	return roundEvery
}

// spare reports whether the pool can do without one of its idle connections.
func (p *Pool[T]) spare() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fit, idle := p.tally()
	return fit > p.config.MinConns && idle > p.config.MinIdleConns
}

// tally counts the connections that are not on their way out, and of them
// those that nobody uses. The caller holds p.mu.
func (p *Pool[T]) tally() (fit, idle int) {
	for s := range p.filled {
		if s.unfit.Load() {
			continue
		}
		fit++
		if !s.held() {
			idle++
		}
	}
	return fit, idle
}

// wanted is how many connections are missing, for the minima and for the end of
// an outage. The caller holds p.mu.
func (p *Pool[T]) wanted() int {
	fit, idle := p.tally()
	want := p.config.MinConns - fit - p.dialing
	if p.config.MinIdleConns > 0 {
		want = max(want, p.config.MinIdleConns-idle-p.dialing+p.waiters.len())
	}
	if p.outages.current != nil && fit+p.dialing == 0 {
		want = max(want, 1) // somebody has to find out when it is over
	}
	return min(want, p.config.MaxConns-p.places)
}

// refill opens what is missing, in the background.
func (p *Pool[T]) refill() {
	p.mu.Lock()
	p.startDials()
	n := 0
	for !p.closed && p.reconnector.state == up && due(p.reconnector.refillAt) && p.wanted() > 0 && p.reserve() {
		n++
		p.wg.Go(func() { _ = p.dialInto(p.life, p.open) }) // a failure has begun an outage
	}
	p.mu.Unlock()
	if n > 0 {
		p.config.Observer.refill(RefillInfo{Conns: n})
	}
}

// endOutage closes the account when it is over.
func (p *Pool[T]) endOutage() {
	p.mu.Lock()
	if p.outages.current == nil || !p.healed() {
		p.mu.Unlock()
		return
	}
	p.stats.outage(p.outages.end(true))
	p.mu.Unlock()
	p.tellOutages()
}

// healed: the endpoint is reached, and no connection of before is in doubt, for
// its death would be one more of the same outage. The caller holds p.mu.
func (p *Pool[T]) healed() bool {
	if r := p.reconnector.state; r != up && r != full || !p.outages.reached() {
		return false
	}
	for s := range p.filled {
		if s.opened.Before(p.outages.since) && !s.unfit.Load() && (s.doubt.Load() || s.suspect()) {
			return false
		}
	}
	return true
}

// tellOutages tells the Observer of the outages that have begun and ended, one
// after the other.
func (p *Pool[T]) tellOutages() {
	for p.tellOutage() {
	}
}

// tellOutage tells of one, and reports whether there was one to tell of that
// nobody else is at: whoever is will see ours.
func (p *Pool[T]) tellOutage() bool {
	o, ok := p.nextOutage()
	if !ok {
		return false
	}
	defer p.setTelling(false)
	if o.Ended.IsZero() {
		p.config.Observer.outageBegin(o)
	} else {
		p.config.Observer.outageEnd(o)
	}
	return true
}

func (p *Pool[T]) nextOutage() (o Outage, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.telling {
		return o, false
	}
	o, ok = p.outages.news()
	p.telling = ok
	return o, ok
}

func (p *Pool[T]) setTelling(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.telling = yes
}

// reportLeaks tells of connections that are held for too long, and returns when
// the next may be.
func (p *Pool[T]) reportLeaks() (next time.Duration) {
	next = roundEvery
	if p.config.LeakAfter == 0 {
		return next
	}
	p.mu.Lock()
	var held []*slot[T]
	for s := range p.filled {
		if s.held() {
			held = append(held, s)
		}
	}
	p.mu.Unlock()
	for _, s := range held {
		info, left := s.holder.leak(p.config.LeakAfter)
		switch {
		case info.Stack != "":
			p.config.Observer.leak(info)
		case left > 0:
			next = min(next, left)
		}
	}
	return next
}
