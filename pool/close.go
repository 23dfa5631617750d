package pool

import (
	"errors"
	"net"
	"sync"
	"time"

	"example.com/hale/internal/netconn"
)

// close closes the connection of a slot that has left the pool, in the
// background: as the Config says, after an abort if it is known to be dead. If
// the place is the caller's to give, it comes free when the connection is closed.
func (p *Pool[T]) close(s *slot[T], place bool) {
	p.conns.remove(s)
	s.mu.Lock()
	dead := s.death != nil || s.aborted
	s.mu.Unlock()
	p.wg.Go(func() {
		s.stopTelling()
		if dead {
			abortConn(s.conn) // also under a probe, which may not notice otherwise
		}
		s.stopHeartbeat()
		if dead && place {
			p.freePlace(s)
			place = false
		}
		p.closer.close(s, dead)
		if place {
			p.freePlace(s)
		}
	})
}

// closer ends connections and what Open made of them, in the time that there is for
// that. It has nothing to do with places.
type closer[T any] struct {
	value    func(T) error // Config.Close, or nil
	longest  time.Duration // Config.CloseTimeout
	hurried  chan struct{} // closed once nothing is closed gently any more
	hastened sync.Once
}

func (c *closer[T]) init(config Config[T]) {
	c.value, c.longest, c.hurried = config.Close, config.CloseTimeout, make(chan struct{})
}

// hasten has nothing waited for any more that takes its time to close.
func (c *closer[T]) hasten() { c.hastened.Do(func() { close(c.hurried) }) }

// close closes gently, and aborts if that takes its time.
func (c *closer[T]) close(s *slot[T], dead bool) {
	closed := run(func() { c.closeGently(s, dead) })
	if !await(closed, c.longest, c.hurried) {
		abortConn(s.conn)
		await(closed, abortedAfter, nil)
	}
}

// closeGently is Config.Close, or else the connection's. What is dead was aborted.
func (c *closer[T]) closeGently(s *slot[T], dead bool) {
	if (c.value == nil || c.closeValue(s.value)) && !dead {
		_ = guard("Close", s.conn.Close)
	}
}

// closeValue is Config.Close, if there is one. There is nobody to tell of its
// error. It reports whether it did not return, so that the connection may not be
// closed yet.
func (c *closer[T]) closeValue(value T) (panicked bool) {
	if c.value == nil {
		return false
	}
	_, panicked = errors.AsType[*PanicError](guard("Close", func() error { return c.value(value) }))
	return panicked
}

// closeLate is closeValue for what nobody waits for, while there is time.
func (c *closer[T]) closeLate(value T) {
	await(run(func() { c.closeValue(value) }), c.longest, c.hurried)
}

// refuse closes a connection that Open has made nothing of.
func (c *closer[T]) refuse(conn net.Conn) {
	if !await(run(func() { _ = guard("Close", conn.Close) }), lateAfter, c.hurried) {
		abortConn(conn)
	}
}

// closeWhereItIs closes what has died, unless somebody has it who will.
func (p *Pool[T]) closeWhereItIs(s *slot[T]) {
	p.wg.add() // before anybody can take it out of the store, and end waiting for it
	defer p.wg.done()
	switch {
	case s.move(leave):
		p.close(s, false) // who takes it out of the store has its place
	case s.move(leaveParked):
		p.close(s, true)
	case s.is(taken), s.is(consulting):
		p.wg.Go(func() { abortConn(s.conn) }) // or else the check that has it may not notice
	}
}

// freePlace gives the place of a slot back, which is in nobody's hands but the
// caller's, and has it filled again.
func (p *Pool[T]) freePlace(s *slot[T]) {
	p.idle.drop(s)
	p.dialer.freePlace()
	p.dialForWaiters()
	p.maintenance.wake()
}

// stopTelling has nobody tell of the slot any more.
func (s *slot[T]) stopTelling() {
	if s.lifetime != nil {
		s.lifetime.Stop()
	}
	s.mu.Lock()
	stop := s.unwatch
	s.mu.Unlock()
	if stop != nil {
		_ = guard("stop", func() error { stop(); return nil })
	}
}

// abortConn closes conn at once: the peer is sent no more than a RST, what is left to
// send is forgotten, and the socket goes before those who would say goodbye on
// it, as TLS does. It does not wait for long for those.
func abortConn(conn net.Conn) {
	type socket interface {
		SetLinger(sec int) error
		Close() error
	}
	await(run(func() {
		_ = guard("Close", func() error {
			if c, ok := netconn.Find[socket](conn); ok {
				_ = c.SetLinger(0)
				_ = c.Close()
			}
			return conn.Close()
		})
	}), abortedAfter, nil)
}

// abortedAfter is how long it may take to return from a Close of what was
// aborted.
const abortedAfter = 100 * time.Millisecond

// run runs f, and closes done at its end.
func run(f func()) (done <-chan struct{}) {
	c := make(chan struct{})
	go func() {
		defer close(c)
		f()
	}()
	return c
}

// await waits for done, at most for so long and until hurried is closed, and
// reports whether it is closed.
func await(done <-chan struct{}, longest time.Duration, hurried <-chan struct{}) bool {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-hurried:
	}
	select {
	case <-done: // just then
		return true
	default:
		return false
	}
}
