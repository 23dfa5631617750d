package pool

import (
	"errors"
	"net"
	"time"

	"github.com/jackc/puddle/v2"

	"example.com/hale/internal/netconn"
)

// closeSlot closes the connection in the background, once: as the Config says,
// after an abort if it is known to be dead. The place, if the caller has it to
// give, comes free when the connection is closed.
func (p *Pool[T]) closeSlot(s *slot[T], place *puddle.Resource[*slot[T]]) {
	p.wg.add() // before anybody can see that the slot is being closed, and wait for it
	if s.closing.Swap(true) {
		p.wg.done()
		p.vacate(place)
		return
	}
	p.forget(s)
	p.mu.Lock()
	dead := s.death != nil || s.aborted.Load()
	p.mu.Unlock()
	go func() {
		defer p.wg.done()
		p.unwatch(s)
		if dead {
			p.abort(s.conn) // also under a probe, which may not notice otherwise
		}
		p.stopHeartbeat(s)
		if dead {
			p.vacate(place)
			place = nil
		}
		closed := run(func() { p.closeGently(s, dead) })
		if !await(closed, p.config.CloseTimeout, p.hurried) {
			p.abort(s.conn)
			await(closed, abortedAfter, nil)
		}
		p.vacate(place)
	}()
}

// closeGently is Config.Close, or else the connection's.
func (p *Pool[T]) closeGently(s *slot[T], dead bool) {
	switch {
	case p.config.Close != nil && p.closeValue(s.value) && !dead:
		_ = guard("Close", s.conn.Close)
	case p.config.Close == nil && !dead:
		_ = guard("Close", s.conn.Close)
	}
}

// closeValue is Config.Close, if there is one. There is nobody to tell of its
// error. It reports whether it did not return, so that the connection may not be
// closed yet.
func (p *Pool[T]) closeValue(value T) (panicked bool) {
	if p.config.Close == nil {
		return false
	}
	_, panicked = errors.AsType[*PanicError](guard("Close", func() error { return p.config.Close(value) }))
	return panicked
}

// vacate gives a place back, if there is one, and has it filled again.
func (p *Pool[T]) vacate(place *puddle.Resource[*slot[T]]) {
	if place == nil {
		return
	}
	place.Hijack() // unlike Destroy it is done with on return
	p.mu.Lock()
	p.places--
	p.startDials()
	p.mu.Unlock()
	signal(p.room)
	p.nudge()
}

// abort closes conn at once: the peer is sent no more than a RST, what is left to
// send is forgotten, and the socket goes before those who would say goodbye on
// it, as TLS does. It does not wait for long for those.
func (p *Pool[T]) abort(conn net.Conn) {
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
