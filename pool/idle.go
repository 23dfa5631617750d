package pool

import (
	"slices"

	"github.com/jackc/puddle/v2"
)

// takeIdle returns an idle slot, which is then the caller's, or nil.
func (p *Pool[T]) takeIdle() *slot[T] {
	for {
		res, err := p.slots.TryAcquire(p.only)
		if err != nil {
			return nil
		}
		if s := p.own(res); s != nil {
			return s
		}
	}
}

// feed gives idle connections to those who wait.
func (p *Pool[T]) feed() {
	for p.queued.Load() > 0 {
		s := p.takeIdle()
		if s == nil {
			return
		}
		p.consider(s)
	}
}

// sweep has f deal with every idle slot that is not being probed, those that
// were used last in the end: so they lie on top again. Nothing is dialled for
// those who find nothing idle meanwhile.
func (p *Pool[T]) sweep(f func(s *slot[T])) {
	p.mu.Lock()
	p.sweeping++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sweeping--
		p.startDials()
	}()
	p.forEach(p.slots.AcquireAllIdle(), f)
}

// forEach has f deal with slots that puddle has given, the last one first, and
// gives those back that f, which may panic, does not come to.
func (p *Pool[T]) forEach(all []*puddle.Resource[*slot[T]], f func(s *slot[T])) {
	left := len(all)
	defer func() {
		for _, res := range slices.Backward(all[:left]) {
			if s := p.own(res); s != nil {
				p.offer(s, unused)
			}
		}
	}()
	for left > 0 {
		left--
		if s := p.own(all[left]); s != nil {
			f(s)
		}
	}
}

// offer gives a free slot to whoever waits, or else to everybody.
func (p *Pool[T]) offer(s *slot[T], after afterwards) {
	switch {
	case p.queued.Load() > 0 && s.fit(p.epoch.Load()) && p.deliver(s):
		return
	case after == used:
		s.unlock(used)
		s.res.Release()
	default:
		s.unlock(unused)
		s.res.ReleaseUnused()
	}
	// Whoever condemned it a moment ago, or began to wait, may not have seen
	// it idle.
	if s.unfit.Load() || s.doubt.Load() {
		p.nudgeTidy()
	}
	p.feed()
}

// afterwards says whether a slot's idle time begins anew.
type afterwards bool

const (
	used   afterwards = true
	unused afterwards = false
)
