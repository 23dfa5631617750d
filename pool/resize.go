package pool

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// size decides which connections are too many when a pool is made smaller. Which
// ones is not known before: of those in use the first to be released are, so all
// are marked, and who has one in hand asks.
type size[T any] struct {
	mu     sync.Mutex // held to change MaxConns, and to decide by it; the locks of dialer and conns may be taken
	conns  *conns[T]
	dialer *dialer // which has MaxConns
}

// Resize makes maxConns the new MaxConns: from 1 to 2^31-1, and not less than
// MinConns and MinIdleConns. Anything else is an error that says what is wrong,
// and changes nothing; on a closed pool the error is [ErrClosed]. MaxWaiters and
// Do go by the new number, and Stats has it.
//
// Growing has callers that wait dialled for at once. Shrinking closes idle
// connections that are too many at once, those first that were used longest ago,
// and those in use when they are released; a dial under way goes on, and what it
// brings is closed if it is too many. Nothing is taken from its user, so until
// then there are more than maxConns, but none is opened. Each of them is
// evicted for [ReasonSurplus]. Resize does not wait for any of that, and may be
// called by several goroutines, the last of which counts.
func (p *Pool[T]) Resize(maxConns int) error {
	if err := p.config.checkSize(maxConns); err != nil {
		return err
	}
	if p.life.Err() != nil {
		return ErrClosed
	}
	if p.size.set(maxConns) {
		p.sweep(p.revalidate)
	}
	signal(p.dialer.room)
	p.dialForWaiters()
	p.maintenance.wakeToTidy() // for MinIdleConns, and for what was on its way to the store
	return nil
}

// checkSize says what is wrong with a new MaxConns.
func (c *Config[T]) checkSize(maxConns int) error {
	switch {
	case maxConns < 1:
		return configError("MaxConns", maxConns, "must be at least 1")
	case maxConns > math.MaxInt32:
		return configError("MaxConns", maxConns, "above "+strconv.Itoa(math.MaxInt32))
	case maxConns < c.MinConns:
		return configError("MaxConns", maxConns, "below MinConns, "+strconv.Itoa(c.MinConns))
	case maxConns < c.MinIdleConns:
		return configError("MaxConns", maxConns, "below MinIdleConns, "+strconv.Itoa(c.MinIdleConns))
	}
	return nil
}

// set sets MaxConns, and reports whether there are more connections. All are
// marked then.
func (z *size[T]) set(maxConns int) (tooMany bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.dialer.resize(maxConns)
	staying := z.staying()
	if len(staying) <= maxConns {
		return false
	}
	for _, s := range staying {
		s.mark(surplus)
	}
	return true
}

// measure marks a new connection if MaxConns has become less since its dial began,
// and reports whether it did.
func (z *size[T]) measure(s *slot[T]) (tooMany bool) {
	if z.conns.len() <= z.dialer.most() {
		return false
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	s.mark(surplus)
	return true
}

// retire decides whether a slot that was marked, and is the caller's, is one too
// many. If so it is to be evicted, or else it is not marked any more.
func (z *size[T]) retire(s *slot[T]) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !s.retired && len(z.staying()) <= z.dialer.most() {
		s.unmark(surplus)
		return false
	}
	s.retired = true
	return true
}

// staying is the connections that nothing takes out of the pool so far. The
// caller holds mu.
func (z *size[T]) staying() []*slot[T] {
	return z.conns.those(func(s *slot[T]) bool { return !s.marked(unfit) && !s.retired })
}

// askForRoom has a reply end the outage if a dial cannot: connections that live
// have all places, since there are fewer.
func (p *Pool[T]) askForRoom(err error) {
	if err == errNoRoom && p.dialer.crowded(p.demand(), &p.refusals) {
		p.checks.one()
		p.maintenance.wake()
	}
}

// crowded reports whether there is a question instead of a dial, once.
func (d *dialer) crowded(now demand, refusals *atomic.Uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.state != down || now.fit < d.most() || !d.asking.since.IsZero() {
		return false
	}
	d.asking = asking{since: time.Now(), number: refusals.Add(1)}
	return true
}

// resize sets how many places there are.
func (d *dialer) resize(maxConns int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.maxConns.Store(int64(maxConns))
}
