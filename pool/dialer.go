package pool

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// dialer decides when a dial is made: it counts the places and the dials, knows
// by the reconnector whether the endpoint is reached, and keeps the account of
// outages. It knows nothing of connections; what it has to know of them is
// handed to it.
type dialer struct {
	minConns, minIdle, maxDials int
	reconnect                   func() // starts what dials while the endpoint is not up; it may be called under mu

	reached chan struct{} // tells who reconnects that somebody else's dial succeeded
	room    chan struct{} // tells it that a place or a dial has come free
	hurry   chan struct{} // ends its pause

	// mu guards what follows. No call-out and no I/O under it; the locks of
	// queue and conns may be taken.
	mu       sync.Mutex
	maxConns atomic.Int64 // changed under mu
	closed   bool
	places   int // taken, of maxConns: by connections that are not closed, and by dials
	dialing  int // dials under way
	sweeping int // who holds every idle slot for a moment
	reconnector
	outages
	telling bool          // somebody tells the Observer of outages
	held    chan struct{} // closed when the death has been told that the newest begins with; nil if it has
}

// newDialer returns the dialer of a pool that is configured so.
func newDialer(maxConns, minConns, minIdle, maxDials int, stable, grace time.Duration, pauses backoff.BackOff) *dialer {
	d := &dialer{
		minConns: minConns, minIdle: minIdle, maxDials: maxDials,
		reached: make(chan struct{}, 1), room: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		reconnector: reconnector{backoff: pauses, stable: stable, grace: grace, pause: firstPause},
	}
	d.maxConns.Store(int64(maxConns))
	return d
}

// most is MaxConns, as it is now.
func (d *dialer) most() int { return int(d.maxConns.Load()) }

// demand is what a pool has and misses.
type demand struct {
	fit, idle int // connections that are not on their way out; of them, those that nobody uses, if there is a minimum of those
	waiters   int
}

// wanted is how many connections are missing, for the minima and for the end of
// an outage. The caller holds mu.
func (d *dialer) wanted(now demand) int {
	want := d.minConns - now.fit - d.dialing
	if d.minIdle > 0 {
		want = max(want, d.minIdle-now.idle-d.dialing+now.waiters)
	}
	if d.current != nil && now.fit+d.dialing == 0 {
		want = max(want, 1) // somebody has to find out when it is over
	}
	return min(want, d.most()-d.places)
}

// reserve takes a place for a dial, if there is room and are not too many under
// way. The caller holds mu.
func (d *dialer) reserve() bool {
	if d.places >= d.most() || d.dialing >= d.maxDials {
		return false
	}
	d.places++
	d.dialing++
	return true
}

// reserveForWaiter takes a place for a dial on behalf of one of those who wait,
// for whom none is made yet, and returns how many have a turn before it. They are
// counted when no dial can end, or one that has just served its caller would seem
// to be missing.
func (d *dialer) reserveForWaiter(waiting func() int) (before int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiters := waiting()
	d.waiting(waiters)
	if d.closed || d.state != up || d.sweeping > 0 || d.dialing >= waiters || !due(d.dialAt) || !d.reserve() {
		return 0, false
	}
	return d.dialing - 1, true
}

// reserveForMinimum takes a place for a dial that nobody waits for.
func (d *dialer) reserveForMinimum(now demand) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed && d.state == up && due(d.refillAt) && d.wanted(now) > 0 && d.reserve()
}

// reserveAgain takes a place for the nth attempt to reconnect.
func (d *dialer) reserveAgain(n int, pause time.Duration, now demand) (ReconnectStartInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.state == full && now.waiters == 0 && d.wanted(now) <= 0:
		return ReconnectStartInfo{}, errNoNeed
	case !d.reserve():
		return ReconnectStartInfo{}, errNoRoom
	}
	d.attempt, d.trying, d.nextAt = n, true, time.Time{}
	return ReconnectStartInfo{Outage: d.id(), Attempt: n, Pause: pause}, nil
}

// succeeded takes note of a dial that did at a time; it counts until ended.
func (d *dialer) succeeded(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reconnector.succeeded(at)
	d.outages.succeeded()
	if d.state != up {
		signal(d.reached)
	}
}

// ended takes note that what a dial has brought can be had.
func (d *dialer) ended() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dialing--
	signal(d.room)
}

// failed takes note of a dial that did, tried from a time on. asks: now a reply
// would show that the endpoint serves; isDown: it is not reached.
func (d *dialer) failed(err error, since time.Time, now func() demand, failures uint64) (asks, isDown bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer signal(d.room)
	d.trying = false
	d.dialing--
	d.places--
	if d.closed {
		return false, false
	}
	asks = d.state == up
	d.refuse(err, since, now(), failures)
	return asks, d.state == down
}

// refuse has a dial that failed begin an outage, or go on with one; if
// connections live, it takes a reply to tell. The caller holds mu.
func (d *dialer) refuse(err error, since time.Time, now demand, failures uint64) {
	alone := now.fit+d.dialing == 0
	if alone || d.asking.since.IsZero() {
		d.asking = asking{since: time.Now(), number: failures}
	}
	if d.current == nil && !alone {
		d.reconnector.refused(err, since)
	} else {
		d.outages.failed(err, since, now.waiters)
	}
	switch {
	case alone:
		d.goDown(now)
	case d.state == up:
		d.leaveUp(probing, now)
	}
}

// goDown has the outage that runs go on until the endpoint is reached again.
// The caller holds mu.
func (d *dialer) goDown(now demand) {
	if d.refusal.count > 0 { // those that did not show whether it is one
		d.failedBefore(d.refusal, now.waiters)
		d.refusal = refusal{}
	}
	d.unreached()
	if d.state == full && time.Since(d.serves) >= d.stable {
		d.dialNow() // the pauses have grown because there was no room
	}
	d.leaveUp(down, now)
}

// leaveUp makes one goroutine the only one to dial, until it succeeds. The
// caller holds mu.
func (d *dialer) leaveUp(to reach, now demand) {
	if d.closed || !d.leave(to, now.fit > 0) {
		return
	}
	for _, c := range []chan struct{}{d.reached, d.hurry} { // of the last time
		select {
		case <-c:
		default:
		}
	}
	d.reconnect()
}

// lost takes note of a death, and reports whether an outage begins with it: one
// of an endpoint that others have heard last at heard, and that is not told before
// deathTold is called. The connection is to be replaced later if it died young, and
// the more so if that was at once.
func (d *dialer) lost(dead loss, now func() demand) (begun bool, outage uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, 0
	}
	if dead.stale && d.current == nil {
		return false, 0
	}
	have := now()
	begun = d.death(dead.why, dead.heard, have.waiters)
	d.lived(firstSign(dead.why))
	if begun {
		d.held = make(chan struct{})
		d.asking = asking{}
		d.goDown(have)
	}
	d.turnAway(dead, have)
	if dead.age < d.stable {
		d.diedYoung(dead.unused && dead.age < firstPause, d.wanted(have) > 0)
	}
	return begun, d.id()
}

// dialNow ends the pause of who reconnects, and begins with the shortest again.
// The caller holds mu.
func (d *dialer) dialNow() {
	d.reset()
	signal(d.hurry)
}

// hasten ends all pauses, at most every firstPause.
func (d *dialer) hasten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.hurried) < firstPause {
		return
	}
	d.hurried, d.refillAt, d.dialAt = time.Now(), time.Time{}, time.Time{}
	if d.state != up {
		d.dialNow()
	}
}

// nextPause is the one that follows last.
func (d *dialer) nextPause(last time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	pause := d.next(last)
	d.trying, d.nextAt = false, time.Now().Add(pause)
	return pause
}

// finish ends the work of reconnecting, unless a death has begun an outage
// since the dial that did.
func (d *dialer) finish() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && !d.wasReached() {
		return false
	}
	d.state, d.asking = up, asking{}
	return true
}

// freePlace gives a place back.
func (d *dialer) freePlace() {
	d.mu.Lock()
	d.places--
	d.mu.Unlock()
	signal(d.room)
}

// sweep takes note that somebody holds every idle slot for a moment, or does
// not any more.
func (d *dialer) sweep(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweeping += n
}

// outage names the one that runs; it is 0 while all is well.
func (d *dialer) outage() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.id()
}

// endOutage closes the account if the endpoint is reached and doubtful is false
// of what was opened before, for a death of that would be one more of the same
// outage.
func (d *dialer) endOutage(doubtful func(before time.Time) bool) (over Outage, ended bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil || d.state != up && d.state != full || !d.wasReached() || doubtful(d.since) {
		return over, false
	}
	return d.end(true), true
}

// close ends all dialling, and the account.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.current != nil {
		d.end(false)
	}
}

// comingUp is when a pause of the dialer's is over, or a reply may be seen; later
// than longest is longest.
func (d *dialer) comingUp(conns int, longest time.Duration) (next time.Duration) {
	next = longest
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asks(conns) {
		next = min(next, lookEvery)
	}
	now := time.Now()
	for _, at := range []time.Time{d.refillAt, d.dialAt} {
		if at.After(now) {
			next = min(next, at.Sub(now))
		}
	}
	return next
}
