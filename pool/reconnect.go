package pool

import (
	"context"
	"errors"
	"time"
)

// dialFailed takes note of a dial that did, although it was tried from start on.
func (p *Pool[T]) dialFailed(err error, start time.Time) {
	defer p.maintenance.wake()
	if p.dialer.outage() == 0 { // or else it has begun already
		if heard := p.conns.lastHeard("", nil); !heard.IsZero() {
			start = heard
		}
	}
	asks, isDown := p.dialer.failed(err, start, p.demand, p.refusals.Add(1))
	switch {
	case isDown:
		p.tellDown()
	case asks:
		p.assess()
		p.checks.one()
	}
}

// A reconnection is the work of reaching the endpoint again: one dial at a time,
// with growing pauses. A dial that was under way already may succeed before.
type reconnection[T any] struct {
	pool  *Pool[T]
	n     int           // of the attempt that is next
	pause time.Duration // before that
}

// reconnect does that work.
func (p *Pool[T]) reconnect() {
	p.dialer.tellBeginning(p.config.Observer, p.life)
	r := &reconnection[T]{pool: p, n: 1, pause: firstPause}
	for !r.attempt() || !r.finish() {
		r.n++
	}
	p.maintenance.wake()
}

// finish ends the work, if it is done.
func (r *reconnection[T]) finish() bool {
	if !r.pool.dialer.finish() {
		return false
	}
	r.pool.dialForWaiters()
	return true
}

// attempt makes one dial, after a pause and as soon as there is room for it, and
// reports whether the work is over.
func (r *reconnection[T]) attempt() (over bool) {
	d := r.pool.dialer
	r.pause = d.nextPause(r.pause)
	for pause, soon := r.pause, d.hurry; ; pause, soon = roomEvery, d.room {
		if r.sleep(pause, soon) {
			return true
		}
		switch err := r.dial(); err {
		case nil, errNoNeed:
			return true
		case errNoRoom:
		default:
			return false
		}
	}
}

// sleep pauses, less long if there is a sign in soon, and reports whether the work
// is over.
func (r *reconnection[T]) sleep(pause time.Duration, soon <-chan struct{}) (over bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-r.pool.life.Done():
		return true
	case <-r.pool.dialer.reached:
		return true
	case <-soon:
	case <-timer.C:
	}
	return r.pool.life.Err() != nil
}

// Attempts that were not made.
var (
	errNoRoom = errors.New("pool: no room for a dial") // all places are taken, or enough dials under way
	errNoNeed = errors.New("pool: no need of a dial")
)

// dial makes one, if there is room for it, and need.
func (r *reconnection[T]) dial() error {
	p := r.pool
	info, err := p.dialer.reserveAgain(r.n, r.pause, p.demand())
	if err != nil {
		p.askForRoom(err)
		return err
	}
	ctx := p.queue.contextOf(0)
	if ctx == nil {
		ctx = p.life
	}
	return p.dialInto(ctx, func(ctx context.Context, s *slot[T]) error {
		ctx = p.config.Observer.reconnectStart(ctx, info)
		start := time.Now()
		err := p.open(ctx, s)
		p.config.Observer.reconnectDone(ctx, ReconnectDoneInfo{Outage: info.Outage, Attempt: r.n, Duration: time.Since(start), Err: err})
		return err
	})
}
