package pool

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// reach is what the pool believes of its endpoint. While it is not up, one
// goroutine dials, one attempt at a time, with pauses:
//
//	from     event                                              to
//	up       a dial fails, and no connection is well            down
//	up       a dial fails, and others are well                  probing
//	up       three connections in a row are rejected, and others are well  full
//	any      a death by silence                                 down
//	probing  a reply on a living connection since the failure   full
//	probing  none for the grace period, or no connection is well  down
//	full     a dial fails, and no connection lives              down
//	full     nobody needs another connection                    up
//	down     a reply since the last dial failed                 full
//	any      a dial succeeds                                    up
//
// An outage runs from down on; it ends when the endpoint was reached, by a dial
// or a reply.
type reach int

const (
	up      reach = iota // dials are made as they are needed
	probing              // a dial has failed, and it is not known yet whether the endpoint serves
	full                 // the endpoint serves, but takes no more connections
	down                 // the endpoint was not reached since the outage began
)

const (
	// firstPause comes before every attempt of a Backoff that says Stop at once,
	// and before a caller is dialled for again whose connection died at once.
	firstPause = 50 * time.Millisecond
	// roomEvery is how often the goroutine that reconnects looks for room, should
	// it not be told.
	roomEvery = 100 * time.Millisecond
)

// reconnector decides when a dial may be made, by what became of those before.
// It knows nothing of connections. Its user holds the pool's mutex.
type reconnector struct {
	backoff backoff.BackOff
	stable  time.Duration // Config.StableAfter
	grace   time.Duration // how long a reply may take after a dial has failed

	state    reach
	well     time.Time     // when the first dial succeeded since one failed; zero before
	serves   time.Time     // since when it is full
	sign     time.Time     // the last dial that succeeded, or death of one that had lived
	calm     time.Time     // when the first dial succeeded since a connection died young; zero before
	pause    time.Duration // the last one that a young death has caused
	refillAt time.Time     // nothing is dialled in the background before
	dialAt   time.Time     // and nothing for callers

	attempt int       // the last one to reconnect, from 1; 0 before the first
	trying  bool      // it is under way
	nextAt  time.Time // when the one after it is due; zero if that is not known

	hurried time.Time // when Invalidate ended the pauses last
	asking  asking
	refusal refusal

	rejections rejections
}

// asking is the moment since when a reply would show that the endpoint serves:
// a dial had failed.
type asking struct {
	since  time.Time // zero if there was none
	number uint64    // of all dials that had failed then
}

// refusal is the dials that have failed and began no outage.
type refusal struct {
	since time.Time // the endpoint's last sign of life before the first
	err   error     // of the last
	count int
}

// due reports whether t has come.
func due(t time.Time) bool { return !time.Now().Before(t) }

// succeeded takes note of a dial that did at a time.
func (r *reconnector) succeeded(at time.Time) {
	if r.well.IsZero() {
		r.well = at
	}
	if r.calm.IsZero() {
		r.calm = at
	}
	r.sign = at
	r.refusal, r.asking = refusal{}, asking{}
}

// lived takes note of a connection that was alive at a time, and is not now.
func (r *reconnector) lived(at time.Time) {
	if at.After(r.sign) {
		r.sign = at
	}
}

// leave leaves the state up, for one in which a goroutine reconnects; it is to
// be started if it does not run. fit says that connections live.
func (r *reconnector) leave(to reach, fit bool) (start bool) {
	stable := r.wasStable(fit)
	r.well = time.Time{}
	start = r.state == up
	if start {
		r.attempt, r.trying, r.nextAt = 0, false, time.Time{}
	}
	if start && stable {
		r.reset()
	}
	r.state = to
	return start
}

// wasStable reports whether all was well for long enough to begin with the
// shortest pause: not by the age of the newest connection, which is never old
// in a pool that keeps dialling.
func (r *reconnector) wasStable(fit bool) bool {
	if r.well.IsZero() {
		return false
	}
	last := r.sign
	if fit {
		last = time.Now()
	}
	return last.Sub(r.well) >= r.stable
}

// refused takes note of a dial that failed and began no outage.
func (r *reconnector) refused(err error, since time.Time) {
	if r.refusal.count == 0 {
		r.refusal.since = since
	}
	r.refusal.err = err
	r.refusal.count++
}

// next asks the Backoff for the pause after last, which is repeated if it says
// Stop or panics.
func (r *reconnector) next(last time.Duration) (pause time.Duration) {
	pause = backoff.Stop
	_ = guard("Backoff", func() error { pause = r.backoff.NextBackOff(); return nil })
	if pause == backoff.Stop {
		return last
	}
	return pause
}

// reset begins with the shortest pause again.
func (r *reconnector) reset() {
	_ = guard("Backoff", func() error { r.backoff.Reset(); return nil })
}

// diedYoung has the pool wait before it replaces a connection, if it has to: a
// server that accepts and hangs up would be dialled in a loop. It is no outage,
// for a dial has succeeded, so whoever waits is dialled for at once; but not if
// the connection died before anybody could have it, which is a loop of the
// pool's own.
func (r *reconnector) diedYoung(atOnce, replace bool) {
	if atOnce {
		r.dialAt = time.Now().Add(firstPause)
	}
	calm := !r.calm.IsZero() && time.Since(r.calm) >= r.stable
	r.calm = time.Time{}
	if r.state != up || !replace || !due(r.refillAt) {
		return
	}
	if calm {
		r.reset()
	}
	r.pause = r.next(r.pause)
	r.refillAt = time.Now().Add(r.pause)
}
