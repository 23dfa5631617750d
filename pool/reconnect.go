package pool

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/puddle/v2"
)

// dialed takes note of a connection that was made.
func (p *Pool[T]) dialed(s *slot[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reconnector.succeeded(s.opened)
	p.outages.succeeded()
	if p.reconnector.state != up {
		signal(p.reached)
	}
}

// dialFailed takes note of one that was not, although it was tried from start
// on.
func (p *Pool[T]) dialFailed(err error, start time.Time) {
	defer p.nudge()
	defer signal(p.room)
	if heard := p.lastHeard("", nil); !heard.IsZero() {
		start = heard
	}
	p.mu.Lock()
	p.dialing--
	p.places--
	if p.closed || err == puddle.ErrNotAvailable {
		p.mu.Unlock()
		return
	}
	p.refusals.Add(1)
	asks := p.reconnector.state == up
	p.refused(err, start)
	isDown := p.reconnector.state == down
	p.mu.Unlock()
	switch {
	case isDown:
		p.tellDown()
	case asks:
		p.assess()
		p.askOne()
	}
}

// refused has a dial that failed begin an outage, or go on with one; if
// connections live, it takes a reply to tell. The caller holds p.mu.
func (p *Pool[T]) refused(err error, since time.Time) {
	r := &p.reconnector
	fit, _ := p.tally()
	alone := fit+p.dialing == 0
	if alone || r.asking.since.IsZero() {
		r.asking = asking{since: time.Now(), number: p.refusals.Load()}
	}
	if p.outages.current == nil && !alone {
		r.refused(err, since)
	} else {
		p.outages.failed(err, since, p.waiters.len())
	}
	switch {
	case alone:
		p.goDown()
	case r.state == up:
		p.reconnectAs(probing)
	}
}

// goDown has the outage that runs go on until the endpoint is reached again.
// The caller holds p.mu.
func (p *Pool[T]) goDown() {
	r := &p.reconnector
	if r.refusal.count > 0 { // those that did not show whether it is one
		p.outages.failedBefore(r.refusal, p.waiters.len())
		r.refusal = refusal{}
	}
	p.outages.unreached()
	p.reconnectAs(down)
}

// reconnectAs makes one goroutine the only one to dial, until it succeeds. The
// caller holds p.mu.
func (p *Pool[T]) reconnectAs(state reach) {
	if p.closed {
		return
	}
	fit, _ := p.tally()
	if !p.reconnector.leave(state, fit > 0) {
		return
	}
	for _, c := range []chan struct{}{p.reached, p.hurry} { // of the last time
		select {
		case <-c:
		default:
		}
	}
	p.wg.Go(p.reconnect)
}

// tellDown tells of an outage that may have begun, and fails those who wait if
// they do not want to.
func (p *Pool[T]) tellDown() {
	p.tellOutages()
	if p.config.FailFast {
		p.mu.Lock()
		defer p.mu.Unlock()
		if o := p.outages.current; p.reconnector.state == down && o != nil && o.Dial != nil {
			p.failWaiters(&unavailableError{dial: o.Dial})
		}
	}
}

// askOne has one idle connection checked, if a Check can tell whether the
// endpoint serves.
func (p *Pool[T]) askOne() {
	if p.config.Check == nil {
		return
	}
	if s := p.takeIdle(); s != nil {
		p.background(s, s.check, ReasonSuspect)
	}
}

// assess finds out whether an endpoint that has refused a dial serves: whether
// there was a reply since on one of the connections that live.
func (p *Pool[T]) assess() {
	p.mu.Lock()
	state, ask, conns := p.reconnector.state, p.reconnector.asking, p.alive("")
	if !p.asks() {
		if state == full && len(conns) == 0 {
			p.dialNow() // there should be room at the endpoint
		}
		p.mu.Unlock()
		return
	}
	hope := p.dialing > 0
	p.mu.Unlock()
	replied := false
	for _, s := range conns {
		replied = replied || s.repliedSince(ask)
		hope = hope || !s.waits()
	}
	p.mu.Lock()
	if p.closed || p.reconnector.state != state || p.reconnector.asking != ask {
		p.mu.Unlock()
		return
	}
	p.answer(replied, !hope || time.Since(ask.since) >= p.reconnector.grace)
	isDown := p.reconnector.state == down
	p.mu.Unlock()
	if isDown {
		p.tellDown()
	}
}

// asks reports whether a reply would tell anything. The caller holds p.mu.
func (p *Pool[T]) asks() bool {
	r := &p.reconnector
	return !r.asking.since.IsZero() && (r.state == probing || r.state == down)
}

// dialNow ends the pause of who reconnects, and begins with the shortest again.
// The caller holds p.mu.
func (p *Pool[T]) dialNow() {
	p.reconnector.reset()
	signal(p.hurry)
}

// answer is what follows of a reply, or of none until it is too late for one.
// The caller holds p.mu.
func (p *Pool[T]) answer(replied, late bool) {
	switch {
	case replied:
		p.reconnector.state = full
		p.outages.reach()
	case p.reconnector.state == probing && late:
		p.goDown()
	}
}

// alive returns the connections to an address that are not on their way out, of
// all if it is empty. The caller holds p.mu.
func (p *Pool[T]) alive(remote string) []*slot[T] {
	conns := make([]*slot[T], 0, len(p.filled))
	for s := range p.filled {
		if !s.unfit.Load() && (remote == "" || s.remote == remote) {
			conns = append(conns, s)
		}
	}
	return conns
}

// reconnect makes one dial at a time, with growing pauses. A dial that was under
// way already may succeed before.
func (p *Pool[T]) reconnect() {
	p.tellOutages() // of the one that this is the work of
	pause := firstPause
	for n, over := 1, false; !over; n++ {
		pause = p.nextPause(pause)
		over = (p.rest(pause, p.hurry) || p.attempt(n, pause)) && p.stepDown()
	}
	p.nudge()
}

func (p *Pool[T]) nextPause(last time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reconnector.next(last)
}

// stepDown ends the work of reconnecting, unless a death has begun an outage
// since the dial that did.
func (p *Pool[T]) stepDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && !p.outages.reached() {
		return false
	}
	p.reconnector.state, p.reconnector.asking = up, asking{}
	p.startDials()
	return true
}

// rest pauses, less long if there is a sign in soon, and reports whether the
// work of reconnecting is over.
func (p *Pool[T]) rest(pause time.Duration, soon <-chan struct{}) (over bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-p.life.Done():
		return true
	case <-p.reached:
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
			if p.rest(roomEvery, p.room) {
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
	p.mu.Lock()
	switch {
	case p.reconnector.state == full && p.waiters.len() == 0 && p.wanted() <= 0:
		p.mu.Unlock()
		return errNoNeed
	case !p.reserve():
		p.mu.Unlock()
		return errNoRoom
	}
	ctx, info := p.life, ReconnectStartInfo{Outage: p.outages.id(), Attempt: n, Pause: pause}
	if w := p.waiters.first; w != nil {
		ctx = w.ctx
	}
	p.mu.Unlock()
	return p.dialInto(ctx, func(ctx context.Context, s *slot[T]) error {
		ctx = p.config.Observer.reconnectStart(ctx, info)
		start := time.Now()
		err := p.open(ctx, s)
		p.config.Observer.reconnectDone(ctx, ReconnectDoneInfo{Outage: info.Outage, Attempt: n, Duration: time.Since(start), Err: err})
		return err
	})
}
