package pool

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often quarantined slots are looked at, and whether there
	// was a reply that is waited for.
	lookEvery = 100 * time.Millisecond
	// roundEvery bounds the time between two rounds of a pool whose
	// connections have limits.
	roundEvery = time.Second
	// roundSlots is how many idle slots a look at all of them may come to in each
	// second: of more it comes less often, so that it costs a thousandth of a processor
	// at most, however many there are. A death is told of, and whoever acquires
	// looks, so nothing depends on it but when a suspect is put aside, and one that
	// cannot be watched is found dead.
	roundSlots = 1000
	// roundLeast is the shortest time to the next round.
	roundLeast = time.Millisecond
)

// maintenance is the pool's own goroutine, and what it keeps: it runs a round
// whenever something has happened or is due.
type maintenance[T any] struct {
	pool   *Pool[T]
	sign   chan struct{} // to look around
	untidy atomic.Bool   // an idle slot is to be looked at
	tidyAt time.Time     // all are; its own

	mu     sync.Mutex // guards what follows
	slots  []*slot[T] // quarantined
	closed bool
}

// wake has maintenance look around.
func (m *maintenance[T]) wake() { signal(m.sign) }

// wakeToTidy has it look at the idle slots.
func (m *maintenance[T]) wakeToTidy() {
	m.untidy.Store(true)
	m.wake()
}

func (m *maintenance[T]) run() {
	timer := time.NewTimer(roundEvery)
	defer timer.Stop()
	for {
		select {
		case <-m.pool.life.Done():
			return
		case <-m.sign:
		case <-timer.C:
		}
		timer.Reset(m.round())
	}
}

// round does everything that is due, and returns when something will be.
func (m *maintenance[T]) round() time.Duration {
	p := m.pool
	m.lookAtQuarantined()
	if m.untidy.Swap(false) || due(m.tidyAt) {
		m.tidyAt = time.Now().Add(m.tidyIdle())
	}
	m.refill()
	p.assess()
	m.endOutage()
	next := min(m.reportLeaks(), p.dialer.comingUp(p.conns.len(), roundEvery), time.Until(m.tidyAt))
	if m.quarantined() > 0 {
		next = min(next, lookEvery)
	}
	return max(next, roundLeast)
}

// lookAtQuarantined gives those that are quarantined back, or up.
func (m *maintenance[T]) lookAtQuarantined() {
	m.mu.Lock()
	slots := m.slots
	m.slots = nil
	m.mu.Unlock()
	for _, s := range slots {
		if !s.move(readmit) {
			continue
		}
		if reason, _ := m.pool.unfitness(s); reason != "" || !s.dubious() || !m.keep(s) {
			m.pool.revalidate(s)
			m.pool.news.tell()
		}
	}
}

// isolate quarantines a slot: it is kept from everybody until maintenance sees
// it recovered or dead.
func (m *maintenance[T]) isolate(s *slot[T]) {
	s.mark(needsCheck)
	if !m.keep(s) {
		m.pool.evict(s, ReasonShutdown, nil)
	}
	m.wake()
}

// keep quarantines a slot that is the caller's; it does not if the pool is
// closed.
func (m *maintenance[T]) keep(s *slot[T]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || !s.move(quarantine) {
		return false
	}
	m.slots = append(m.slots, s)
	return true
}

// close lets go of what is quarantined, now and later, and returns it.
func (m *maintenance[T]) close() []*slot[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	slots := m.slots
	m.slots, m.closed = nil, true
	return slots
}

// quarantined is how many are, and may recover.
func (m *maintenance[T]) quarantined() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.slots {
		if !s.marked(unfit) {
			n++
		}
	}
	return n
}

// tidyIdle looks at every idle slot: closes those whose time is over, checks
// those in doubt, and lets the others be. It returns when the next is due.
func (m *maintenance[T]) tidyIdle() (next time.Duration) {
	p := m.pool
	spare := max(0, min(p.demand().fit-p.config.MinConns, p.conns.unused()-p.config.MinIdleConns))
	n, limited := 0, time.Duration(math.MaxInt64)
	p.sweep(func(s *slot[T]) {
		n++
		limited = min(limited, m.tidy(s, &spare))
	})
	next = min(limited, roundAfter(n))
	if p.config.MaxConnIdleTime > 0 {
		next = min(next, p.config.MaxConnIdleTime)
	}
	return next
}

// roundAfter is how long after a look at n idle slots the next one is due.
func roundAfter(n int) time.Duration {
	return roundEvery * time.Duration(max(1, (n+roundSlots-1)/roundSlots))
}

// tidy deals with one idle slot; spare is how many the pool can do without. It
// returns when its time is over.
func (m *maintenance[T]) tidy(s *slot[T], spare *int) (next time.Duration) {
	p := m.pool
	limit := p.config.MaxConnIdleTime
	if limit == 0 {
		p.revalidate(s)
		return math.MaxInt64
	}
	idle := s.lastUsed.since()
	if idle >= limit && *spare > 0 {
		*spare--
		p.evict(s, ReasonIdle, nil)
		return math.MaxInt64
	}
	p.revalidate(s)
	if idle >= limit {
		return math.MaxInt64 // it stays as long as none can be spared
	}
	return max(limit-idle, roundEvery/10)
}

// reportLeaks tells of connections that are held for too long, and returns when
// the next may be.
func (m *maintenance[T]) reportLeaks() (next time.Duration) {
	p := m.pool
	next = roundEvery
	if p.config.LeakAfter == 0 {
		return next
	}
	for _, s := range p.conns.held() {
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

// revalidate decides about a slot that is the pool's.
func (p *Pool[T]) revalidate(s *slot[T]) {
	reason, dead := p.unfitness(s)
	switch {
	case reason != "":
		p.evict(s, reason, dead)
	case s.dubious():
		p.maintenance.isolate(s)
	case s.checkable && (s.marked(needsCheck) || p.queue.len() > 0 && s.needsCheck(p.config.CheckAfter)):
		p.checks.background(s)
	default:
		s.unmark(needsCheck)
		p.putIdle(s, unused)
	}
}

// refill opens what is missing, in the background.
func (m *maintenance[T]) refill() {
	p := m.pool
	p.dialForWaiters()
	n := 0
	for p.dialer.reserveForMinimum(p.demand()) {
		n++
		p.wg.Go(func() { _ = p.dialInto(p.life, p.open) }) // a failure has begun an outage
	}
	if n > 0 {
		p.config.Observer.refill(RefillInfo{Conns: n})
	}
}

// endOutage closes the account when it is over.
func (m *maintenance[T]) endOutage() {
	p := m.pool
	over, ended := p.dialer.endOutage(func(before time.Time) bool {
		return len(p.conns.those(func(s *slot[T]) bool {
			return s.opened.time().Before(before) && !s.marked(unfit) && (s.marked(needsCheck) || s.suspect())
		})) > 0
	})
	if ended {
		p.stats.outage(over)
		p.dialer.tellOutages(p.config.Observer)
	}
}
