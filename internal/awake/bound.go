package awake

import (
	"context"
	"sync"
	"time"
)

// Bounded is a context that ends after a time by the clock, and tells how much of
// that this process stood still. Its parent has its values.
//
// One timer serves all of them, and runs on for a step after the last has stopped: a
// program that often begins something short sets it once in a while, not each time.
// A timer costs little itself, but may wake a thread of Go's that is to wait for it.
type Bounded struct {
	context.Context
	ring   *ring
	done   chan struct{}
	length time.Duration // of its steps
	until  time.Time

	// Guarded by the mutex of the ring.
	next, prev *Bounded // nil once it has ended
	before     time.Duration
	err        error
	missed     time.Duration // when the time was over, or the parent
	calls      []*func()     // of AfterFunc
	forget     func() bool
}

// bounds are those that have not ended.
var bounds = newRing(time.Now)

type ring struct {
	now clock

	mu    sync.Mutex // guards what follows; nobody is called under it
	ends  Bounded    // its next and prev are the first and the last
	under step       // way; of no length while the timer rests
	timer *time.Timer
	used  bool          // since the step began
	still time.Duration // how long this process stood still in all steps before
}

func newRing(now clock) *ring {
	r := &ring{now: now}
	r.ends.next, r.ends.prev = &r.ends, &r.ends
	return r
}

// Bound returns a context that ends when d has passed, or parent has ended, or it is
// stopped, which it has to be. It must not be made in a testing/synctest bubble.
//
// Its Deadline is the parent's: package net would set a timer of its own for it.
func Bound(parent context.Context, d time.Duration) *Bounded { return bounds.bound(parent, d) }

func (r *ring) bound(parent context.Context, d time.Duration) *Bounded {
	now := r.now()
	b := &Bounded{Context: parent, ring: r, done: make(chan struct{}), length: max(d/spanSteps, shortest), until: now.Add(d)}
	r.add(b, now)
	switch err := parent.Err(); {
	case err != nil: // at once, and not as soon as a goroutine gets to it
		r.end(b, err)
	case parent.Done() != nil:
		b.follow(context.AfterFunc(parent, func() { r.end(b, parent.Err()) }))
	}
	return b
}

// follow keeps what is to be called at the end, or calls it.
func (b *Bounded) follow(forget func() bool) {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	if b.err != nil {
		forget()
		return
	}
	b.forget = forget
}

func (r *ring) add(b *Bounded, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.prev, b.next = r.ends.prev, &r.ends
	b.prev.next, r.ends.prev = b, b
	r.used = true
	// A step that is overdue has a standstill in it from before b began.
	if left := r.under.began.Add(r.under.planned).Sub(now); r.under.planned == 0 || left < 0 || left > b.length {
		r.reckon()
		r.begin(b.length)
	}
	b.before = r.still
}

// reckon ends the step under way. The caller holds r.mu, as that of the next two.
func (r *ring) reckon() {
	if r.under.planned > 0 {
		_, missed := r.under.reckon()
		r.still += missed
	}
}

func (r *ring) begin(length time.Duration) {
	r.under = r.now.step(length)
	if r.timer == nil {
		r.timer = time.AfterFunc(length, r.tick)
		return
	}
	r.timer.Reset(length)
}

func (r *ring) remove(b *Bounded) (was bool) {
	if b.next == nil {
		return false
	}
	b.next.prev, b.prev.next = b.prev, b.next
	b.next, b.prev = nil, nil
	return true
}

// missedBy returns how long this process stood still in b's time so far.
func (r *ring) missedBy(b *Bounded) time.Duration {
	missed := r.still - b.before
	if r.under.planned > 0 {
		_, last := r.under.reckon()
		missed += last
	}
	return missed
}

// tick ends a step, and those whose time is over.
func (r *ring) tick() {
	for _, b := range r.step() {
		r.end(b, context.DeadlineExceeded)
	}
}

// step begins the next step, unless there was nobody in the last.
func (r *ring) step() (over []*Bounded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reckon()
	now, length := r.now(), r.under.planned
	if r.ends.next != &r.ends {
		length = r.ends.next.length
	}
	for b := r.ends.next; b != &r.ends; b = b.next {
		left := b.until.Sub(now)
		if left <= 0 {
			over = append(over, b)
			continue
		}
		length = min(length, b.length, left)
	}
	if r.ends.next == &r.ends && !r.used {
		r.under = step{}
		return nil
	}
	r.used = false
	r.begin(max(length, 1))
	return over
}

// end ends b for a reason, the first that comes.
func (r *ring) end(b *Bounded, err error) {
	calls, forget := r.ended(b, err)
	if forget != nil {
		forget()
	}
	for _, f := range calls {
		if f != nil {
			(*f)() // of package context, which ends what derives from b
		}
	}
}

func (r *ring) ended(b *Bounded, err error) (calls []*func(), forget func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.remove(b) {
		return nil, nil
	}
	if b.err = err; err != context.Canceled {
		b.missed = r.missedBy(b)
	}
	close(b.done)
	calls, b.calls = b.calls, nil
	return calls, b.forget
}

// Stop ends the context, unless it has ended.
func (b *Bounded) Stop() { b.ring.end(b, context.Canceled) }

// Missed is how long this process stood still until the end of the context, or until
// now: rather less than more, by up to a thirty-second of its time for each standstill.
// It must not be called after Stop.
func (b *Bounded) Missed() time.Duration {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	if b.err != nil {
		return b.missed
	}
	return b.ring.missedBy(b)
}

// Done is closed at the end.
func (b *Bounded) Done() <-chan struct{} { return b.done }

// Err says why it has ended: [context.DeadlineExceeded] if the time is over.
func (b *Bounded) Err() error {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	return b.err
}

// AfterFunc is what package context asks for; see that of [WithTimeout].
func (b *Bounded) AfterFunc(f func()) (stop func() bool) {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	if b.err != nil {
		go f() // the caller may hold what f takes
		return func() bool { return false }
	}
	b.calls = append(b.calls, &f)
	return func() bool { return b.drop(&f) }
}

func (b *Bounded) drop(f *func()) (dropped bool) {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	for i, call := range b.calls {
		if call == f {
			b.calls[i], dropped = nil, true
		}
	}
	return dropped
}
