package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/puddle/v2"

	"example.com/hale/health"
)

// constructor is what a context may tell construct to do.
type constructor[T any] func(ctx context.Context) (*slot[T], error)

type constructKey struct{}

// construct makes an empty place, unless its context knows better.
func (p *Pool[T]) construct(ctx context.Context) (*slot[T], error) {
	if make, ok := ctx.Value(constructKey{}).(constructor[T]); ok {
		return make(ctx)
	}
	return new(slot[T]), nil
}

var errNoSlot = errors.New("pool: nothing is idle")

func noSlot[T any](context.Context) (*slot[T], error) { return nil, errNoSlot }

// startDials dials for those who wait. The caller holds p.mu.
func (p *Pool[T]) startDials() {
	for !p.closed && !p.down && p.sweeping == 0 && p.dialing < p.config.MaxDials && len(p.free) > 0 {
		forWaiters := p.dialing - p.refills
		if forWaiters >= p.waiters.len() {
			return
		}
		ctx, place := p.waiters.queue[forWaiters].ctx, p.reserve()
		p.wg.Go(func() { _ = p.dialInto(ctx, place, p.open) }) // a failure has begun an outage
	}
}

// reserve takes a place for a dial, or nil. The caller holds p.mu.
func (p *Pool[T]) reserve() *puddle.Resource[*slot[T]] {
	if len(p.free) == 0 {
		return nil
	}
	place := p.free[0]
	p.free = p.free[1:]
	p.dialing++
	return place
}

// opener is open, or something around it.
type opener[T any] func(ctx context.Context, s *slot[T]) error

// dialInto fills a place that somebody who waits has brought, and that reserve
// has taken.
func (p *Pool[T]) dialInto(ctx context.Context, place *puddle.Resource[*slot[T]], open opener[T]) error {
	s := place.Value()
	s.res = place
	err := open(ctx, s)
	p.mu.Lock()
	p.dialing--
	if err != nil {
		p.free = append(p.free, place)
		p.dropSurplus()
	}
	p.mu.Unlock()
	signal(p.room)
	if err != nil {
		p.dialFailed(err)
		return err
	}
	p.dialed(s)
	p.consider(s)
	return nil
}

// errNoRoom is a dial that was not made: all places are taken, or enough dials
// under way.
var errNoRoom = errors.New("pool: no room for a dial")

// dialMore opens a connection without a place that somebody has brought; the
// caller has counted it as a refill. puddle keeps a place for it meanwhile.
func (p *Pool[T]) dialMore(ctx context.Context, open opener[T]) error {
	var fresh *slot[T]
	err := p.slots.CreateResource(context.WithValue(p.life, constructKey{}, constructor[T](func(context.Context) (*slot[T], error) {
		fresh = new(slot[T])
		return fresh, open(ctx, fresh)
	})))
	p.mu.Lock()
	p.dialing--
	p.refills--
	if fresh == nil {
		p.crowded = time.Now()
	}
	p.startDials()
	p.mu.Unlock()
	switch {
	case fresh == nil:
		return errNoRoom
	case errors.Is(err, puddle.ErrClosedPool):
		return err
	case err != nil:
		p.dialFailed(err)
		return err
	}
	p.dialed(fresh)
	p.feed()
	return nil
}

// open dials and fills s.
func (p *Pool[T]) open(ctx context.Context, s *slot[T]) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.DialTimeout)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	s.epoch = p.epoch.Load() &^ shut // nothing is fit any more once the bit is set
	start := time.Now()
	conn, err := p.config.Dial(ctx)
	if err != nil {
		p.countDial(time.Since(start), err)
		return err
	}
	conn = counted(conn)
	if s.value, err = p.openValue(ctx, conn); err != nil {
		conn.Close()
	}
	p.countDial(time.Since(start), err)
	if err != nil {
		return err
	}
	p.fill(s, conn)
	return nil
}

func (p *Pool[T]) openValue(ctx context.Context, conn net.Conn) (value T, err error) {
	if p.config.Open == nil {
		return any(conn).(T), nil
	}
	err = within(ctx, conn, func() error {
		value, err = p.config.Open(ctx, conn)
		return err
	})
	return value, err
}

// fill makes s a slot of conn and has its death told.
func (p *Pool[T]) fill(s *slot[T], conn net.Conn) {
	s.opened = time.Now()
	if life := p.config.MaxConnLifetime; life > 0 {
		s.expiry = s.opened.Add(life - time.Duration(rand.Float64()*p.config.LifetimeJitter*float64(life)))
	}
	s.vital, _ = find[vital](conn)
	s.counts, _ = find[counter](conn)
	encrypted := s.encrypted(conn)
	if !encrypted && !p.config.KeepUnread {
		s.peek.at(conn)
	}
	_, tcp := find[*net.TCPConn](conn)
	s.quick = !encrypted && (tcp || s.vital != nil)
	s.beat = p.nextBeat()
	s.begin()
	s.remote = conn.RemoteAddr().String()
	s.conn = conn
	p.mu.Lock()
	p.filled[s] = struct{}{}
	p.mu.Unlock()
	if w, ok := find[watchable](conn); ok {
		stop := w.Watch(func(dead *health.DeadError) { p.died(s, dead) })
		p.mu.Lock()
		s.unwatch = stop
		p.mu.Unlock()
	}
}

// encrypted reports whether there is TLS on or around conn.
func (s *slot[T]) encrypted(conn net.Conn) bool {
	if _, ok := find[*tls.Conn](conn); ok {
		return true
	}
	value, _ := any(s.value).(net.Conn)
	_, ok := find[*tls.Conn](value)
	return ok
}

// dialed takes note of a connection that was made.
func (p *Pool[T]) dialed(s *slot[T]) {
	p.mu.Lock()
	p.stable = s.opened.Add(p.config.StableAfter)
	p.outages.succeeded()
	if p.down {
		signal(p.reached)
	}
	p.startDials()
	p.mu.Unlock()
	p.nudge()
}

// dialFailed takes note of one that was not.
func (p *Pool[T]) dialFailed(err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	begun := p.outages.failed(err, p.waiters.len())
	p.startLeader()
	p.mu.Unlock()
	if begun {
		p.tellOutages()
	}
	if p.config.FailFast {
		p.failWaiters(&unavailableError{dial: err})
	}
}

// startLeader makes one goroutine the only one to dial, until it succeeds. The
// caller holds p.mu.
func (p *Pool[T]) startLeader() {
	if p.down || p.closed {
		return
	}
	p.down = true
	if !p.stable.IsZero() && time.Now().After(p.stable) {
		p.backoff.Reset()
	}
	select {
	case <-p.reached: // of the last time
	default:
	}
	p.wg.Go(p.lead)
}

const (
	// firstPause comes before every attempt of a Backoff that says Stop at once.
	firstPause = 50 * time.Millisecond
	// roomEvery is how often a leader without room looks for some, should he
	// not be told.
	roomEvery = 100 * time.Millisecond
)

// lead reconnects: one dial at a time, with growing pauses. A dial that was
// under way already may succeed before.
func (p *Pool[T]) lead() {
	p.tellOutages() // of the one that this is the work of
	pause := firstPause
	for n, over := 1, false; !over; n++ {
		if next := p.backoff.NextBackOff(); next != backoff.Stop {
			pause = next
		}
		over = (p.rest(pause, nil) || p.attempt(n, pause)) && p.stepDown()
	}
	p.nudge()
}

// stepDown ends the leader's work, unless a death has begun an outage since the
// dial that did.
func (p *Pool[T]) stepDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && !p.outages.reached() {
		return false
	}
	p.down = false
	p.startDials()
	return true
}

// rest pauses, less long if there is a sign in soon, and reports whether the
// leader's work is over.
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
// the leader's work is over.
func (p *Pool[T]) attempt(n int, pause time.Duration) (over bool) {
	for {
		switch err := p.leaderDial(n, pause); err {
		case nil:
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

func (p *Pool[T]) leaderDial(n int, pause time.Duration) error {
	p.mu.Lock()
	if p.dialing >= p.config.MaxDials {
		p.mu.Unlock()
		return errNoRoom
	}
	ctx, info := p.life, ReconnectStartInfo{Outage: p.outages.id(), Attempt: n, Pause: pause}
	if p.waiters.len() > 0 {
		ctx = p.waiters.queue[0].ctx
	}
	place := p.reserve()
	if place == nil {
		p.dialing++
		p.refills++
	}
	p.mu.Unlock()
	open := func(ctx context.Context, s *slot[T]) error {
		ctx = p.config.Observer.reconnectStart(ctx, info)
		start := time.Now()
		err := p.open(ctx, s)
		p.config.Observer.reconnectDone(ctx, ReconnectDoneInfo{Outage: info.Outage, Attempt: n, Duration: time.Since(start), Err: err})
		return err
	}
	if place != nil {
		return p.dialInto(ctx, place, open)
	}
	return p.dialMore(ctx, open)
}
