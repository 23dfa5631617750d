package pool

import (
	"slices"
)

// takeIdle returns an idle slot, which is then the caller's, or nil.
func (p *Pool[T]) takeIdle() *slot[T] {
	for s := p.idle.pop(); s != nil; s = p.idle.pop() {
		if p.own(s) {
			return s
		}
	}
	return nil
}

// own makes the caller the owner of a slot that it has taken out of the store.
// One that is leaving gives its place back with that; one that a heartbeat is
// at is parked.
func (p *Pool[T]) own(s *slot[T]) bool {
	if s.pulse != nil && !s.pulse.TryLock() {
		return p.park(s)
	}
	if s.move(take) {
		return true
	}
	p.freePlace(s)
	return false
}

// putUsed puts a slot that its user has released, and that is free, into the
// store, and wakes the head of the queue. If that has waited for long it gets
// the slot at once: the next to be released need not wait until it is awake.
func (p *Pool[T]) putUsed(s *slot[T]) {
	if p.ages {
		s.lastUsed = momentNow()
	}
	s.unlock(used)
	if p.queue.strict() {
		if p.own(s) {
			p.revalidate(s)
		}
		return
	}
	p.idle.push(s)
	switch {
	case p.queue.len() > 0:
		p.queue.wake()
	case p.epoch.Load()&shut != 0:
		p.evictIdle()
	}
}

// putIdle gives a slot that is the pool's to whoever waits, or else to everybody.
func (p *Pool[T]) putIdle(s *slot[T], after afterwards) {
	if p.handOver(s) {
		return
	}
	if after == used && p.ages {
		s.lastUsed = momentNow()
	}
	if !s.move(put) { // something has come to speak against it
		p.revalidate(s)
		return
	}
	s.unlock(after)
	if after == used {
		p.idle.push(s)
	} else {
		p.idle.pushStack(s)
	}
	p.serveWaiters()
	if p.epoch.Load()&shut != 0 {
		p.evictIdle()
	}
}

// afterwards says whether a slot's idle time begins anew.
type afterwards bool

const (
	used   afterwards = true
	unused afterwards = false
)

// sweep has f deal with every idle slot that is not being probed, those that
// were used last in the end: so they lie on top again. Nothing is dialled for
// those who find nothing idle meanwhile.
func (p *Pool[T]) sweep(f func(s *slot[T])) {
	defer p.pauseDials()()
	p.forEach(p.idle.all(), f)
}

// forEach has f deal with slots that were taken out of the store, the last one
// first, and gives those back that f, which may panic, does not come to.
func (p *Pool[T]) forEach(all []*slot[T], f func(s *slot[T])) {
	left := len(all)
	defer func() {
		for _, s := range slices.Backward(all[:left]) {
			if p.own(s) {
				p.putIdle(s, unused)
			}
		}
	}()
	for left > 0 {
		left--
		if s := all[left]; p.own(s) {
			f(s)
		}
	}
}

// evictIdle empties the store of a pool that is closed.
func (p *Pool[T]) evictIdle() {
	p.forEach(p.idle.all(), func(s *slot[T]) { p.evict(s, ReasonShutdown, nil) })
}
