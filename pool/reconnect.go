package pool

import (
	"context"
	"errors"
	"time"
)

// dialFailed takes note of a dial that did, although it was tried from start on.
func (p *Pool[T]) dialFailed(err error, start time.Time) {
	defer p.maintenance.wake()
	if heard := p.lastHeard("", nil); !heard.IsZero() {
		start = heard
	}
	asks, isDown := p.dialer.failed(err, start, p.demand, p.refusals.Add(1))
	switch {
	case isDown:
		p.tellDown()
	case asks:
		p.assess()
		p.askOne()
	}
}

// reconnect makes one dial at a time, with growing pauses. A dial that was under
// way already may succeed before.
func (p *Pool[T]) reconnect() {
	p.tellBeginning()
	pause := firstPause
	for n, over := 1, false; !over; n++ {
		pause = p.dialer.nextPause(pause)
		over = (p.sleepUnless(pause, p.dialer.hurry) || p.attempt(n, pause)) && p.finish()
	}
	p.maintenance.wake()
}

// finish ends the work of reconnecting, if it is done.
func (p *Pool[T]) finish() bool {
	if !p.dialer.finish() {
		return false
	}
	p.dialForWaiters()
	return true
}

// sleepUnless pauses, less long if there is a sign in soon, and reports whether the
// work of reconnecting is over.
func (p *Pool[T]) sleepUnless(pause time.Duration, soon <-chan struct{}) (over bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-p.life.Done():
		return true
	case <-p.dialer.reached:
		return true
	case <-soon:
	case <-timer.C:
	}
	return p.life.Err() != nil
}

// attempt makes one dial, as soon as there is room for it, and reports whether
// the work of reconnecting is over.
func (p *Pool[T]) attempt(n int, pause time.Duration) (over bool) {
	for {
		switch err := p.tryAgain(n, pause); err {
		case nil, errNoNeed:
			return true
		case errNoRoom:
			if p.sleepUnless(roomEvery, p.dialer.room) {
				return true
			}
		default:
			return false
		}
	}
}

// Attempts that were not made.
var (
	errNoRoom = errors.New("pool: no room for a dial") // all places are taken, or enough dials under way
	errNoNeed = errors.New("pool: no need of a dial")
)

func (p *Pool[T]) tryAgain(n int, pause time.Duration) error {
	info, err := p.dialer.reserveAgain(n, pause, p.demand())
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
		p.config.Observer.reconnectDone(ctx, ReconnectDoneInfo{Outage: info.Outage, Attempt: n, Duration: time.Since(start), Err: err})
		return err
	})
}
