package pool

import (
	"slices"
	"time"

	"example.com/hale/health"
)

// An Outage is the time in which the endpoint could not be reached, from its
// first sign to its end.
type Outage struct {
	ID       uint64            // counts the outages of the pool, from 1
	Began    time.Time         // the endpoint's last sign of life: the silence that led to it, not only its detection
	Detected time.Time         // when the pool took notice
	Ended    time.Time         // when it had healed, or the pool was closed; zero before
	Healed   bool              // the endpoint was reached, by a dial or a reply, and no connection of before was suspect any more
	Death    *health.DeadError // the first death of it; nil if there was none, or none yet
	Dial     error             // the last dial's error, or nil
	Attempts int               // dials that failed, and the one that succeeded after them, if one did
	Lost     int               // connections lost to it
	Waiters  int               // most callers that waited at a time
}

const (
	// deathIsNews is how long a death explains a dial that fails after it.
	deathIsNews = 5 * time.Second
	// burst is the longest time between two deaths that have one reason, as those
	// of a server that is killed.
	burst = time.Second
)

// outages is the pool's account of them. Its user holds the pool's mutex.
type outages struct {
	count   uint64
	current *Outage             // nil while all is well
	since   time.Time           // when the endpoint was reached after the current began; zero before
	failing bool                // none has succeeded since the current began, or since one failed
	healed  time.Time           // when the last one ended
	recent  []*health.DeadError // deaths that came in a burst, if no dial has succeeded since
	untold  []Outage            // that have begun or ended since
	dials   []time.Time         // when those of the current one ended, the last dialsKept
	past    []OutageInfo        // the last that have ended, outagesKept at most
}

// death takes note of a death, and reports whether an outage begins with it:
// when the silence did, or when the endpoint was heard last, if that was later.
// A death that was silent already when the last outage ended is a latecomer of
// that, and begins none.
func (o *outages) death(dead *health.DeadError, heard time.Time, waiters int) (begun bool) {
	if o.current != nil {
		o.current.Lost++
		if o.current.Death == nil {
			o.current.Death = dead
		}
		return false
	}
	silent := dead.Cause.Silent()
	if silent && dead.Since().Before(o.healed) {
		return false
	}
	if n := len(o.recent); n > 0 && dead.Detected.Sub(o.recent[n-1].Detected) > burst {
		o.recent = nil
	}
	o.recent = append(o.recent, dead)
	if !silent {
		return false
	}
	began := dead.Since()
	if heard.After(began) && heard.Before(dead.Detected) {
		began = heard
	}
	o.begin(Outage{Began: began, Death: dead, Waiters: waiters})
	return true
}

// firstSign is when a death could have been known: when the silence began, or,
// for a peer that said it was going, when it did.
func firstSign(dead *health.DeadError) time.Time {
	if dead.Cause.Silent() {
		return dead.Since()
	}
	return dead.Detected
}

// failed takes note of a dial that failed, and reports whether an outage
// begins with it: with the death that explains it, or else at since.
func (o *outages) failed(err error, since time.Time, waiters int) (begun bool) {
	if o.current == nil {
		first := Outage{Began: since, Dial: err, Waiters: waiters}
		if n := len(o.recent); n > 0 && time.Since(o.recent[n-1].Detected) <= deathIsNews {
			first.Began, first.Death = firstSign(o.recent[0]), o.recent[0]
		} else {
			o.recent = nil
		}
		o.begin(first)
		begun = true
	}
	o.failing = true
	o.current.Dial = err
	o.tried()
	return begun
}

// tried counts a dial.
func (o *outages) tried() {
	o.current.Attempts++
	o.dials = newest(append(o.dials, time.Now()), dialsKept)
}

// newest is the last n of s, or all.
func newest[E any](s []E, n int) []E { return slices.Delete(s, 0, max(0, len(s)-n)) }

// succeeded takes note of a dial that succeeded.
func (o *outages) succeeded() {
	if o.current == nil {
		o.recent = nil // what died before was not lost to an outage
		return
	}
	if o.failing {
		o.tried()
	}
	o.reach()
	o.failing = false
}

// reached reports whether the endpoint has been reached since it was not.
func (o *outages) wasReached() bool { return o.current == nil || !o.since.IsZero() }

// unreached has the current outage, if there is one, go on.
func (o *outages) unreached() { o.since = time.Time{} }

// reach takes note of a dial that succeeded, or of a reply.
func (o *outages) reach() {
	if o.current != nil && o.since.IsZero() {
		o.since = time.Now()
	}
}

// failedBefore takes note of dials that failed before it was known that an
// outage has begun; it begins with them if none runs.
func (o *outages) failedBefore(r refusal, waiters int) {
	if o.current == nil {
		o.failed(r.err, r.since, waiters)
		r.count--
	}
	o.current.Attempts += r.count
	if o.current.Dial == nil {
		o.current.Dial = r.err
	}
}

func (o *outages) begin(first Outage) {
	o.count++
	o.since, o.failing = time.Time{}, true
	first.ID, first.Detected, first.Lost = o.count, time.Now(), o.lostSince(first.Began)
	o.current = &first
	o.untold = append(o.untold, first)
}

// lostSince counts the deaths of the burst that were known from then on: what
// had died before the endpoint was heard last was not lost to its silence.
func (o *outages) lostSince(began time.Time) (n int) {
	for _, dead := range o.recent {
		if !dead.Detected.Before(began) {
			n++
		}
	}
	return n
}

// news returns what nobody has been told yet.
func (o *outages) news() (next Outage, ok bool) {
	if len(o.untold) == 0 {
		return Outage{}, false
	}
	next = o.untold[0]
	o.untold = o.untold[1:]
	return next, true
}

// id names the current outage; it is 0 while all is well.
func (o *outages) id() uint64 {
	if o.current == nil {
		return 0
	}
	return o.current.ID
}

func (o *outages) waiting(n int) {
	if o.current != nil {
		o.current.Waiters = max(o.current.Waiters, n)
	}
}

// end closes the account of the current outage.
func (o *outages) end(healed bool) Outage {
	over := *o.current
	over.Ended, over.Healed = time.Now(), healed
	o.healed = over.Ended
	o.past = newest(append(o.past, OutageInfo{over, o.dials}), outagesKept)
	o.current, o.recent, o.dials = nil, nil, nil
	o.untold = append(o.untold, over)
	return over
}
