package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A caller that finds no idle connection waits for the first one that comes
// free: released by another, or dialled by whoever dials. That is how nobody
// depends on the dial that was started for it. puddle's own queue is not used:
// it ends with the caller's context only, and a dial would block a place in it.

// patience is for how long a caller that waits lets those go first that are
// running: a connection that would have to wait until its next user is awake is
// put to use meanwhile. From then on it is the next. (sync.Mutex does the same.)
const patience = 70 * time.Microsecond

// queue is the callers that wait, in turn. The head of it is woken when
// something may be idle, and stays the head until it has a connection.
type queue[T any] struct {
	born   time.Time
	oldest atomic.Int64 // since when the head waits, from born on; 0 if nobody does
	n      atomic.Int64
	woken  atomic.Bool // the head is, and has not looked yet
	spare  sync.Pool   // waiters to use again

	mu          sync.Mutex // guards what follows; no call-out under it
	first, last *waiter[T]
	closed      bool
}

// waiter is a caller that waits.
type waiter[T any] struct {
	ctx        context.Context // for the dial on its behalf
	told       chan delivery[T]
	since      int64
	prev, next *waiter[T]
	listed     bool
	woken      bool // and has not looked yet
}

// delivery is what a waiter is told: that it may look again, or the end of the
// wait.
type delivery[T any] struct {
	again  bool
	slot   *slot[T]
	use    uint64 // that the slot is in for the waiter
	err    error
	outage uint64 // while it was made, or 0
}

func (q *queue[T]) len() int { return int(q.n.Load()) }

// strict reports whether somebody has waited for so long that it is next.
func (q *queue[T]) strict() bool {
	since := q.oldest.Load()
	return since != 0 && q.now()-since >= int64(patience)
}

// oldestWait is for how long the head has waited; 0 if nobody does.
func (q *queue[T]) oldestWait() time.Duration {
	since := q.oldest.Load()
	if since == 0 {
		return 0
	}
	return max(0, time.Duration(q.now()-since))
}

// now is the time since the queue was made; it is never 0.
func (q *queue[T]) now() int64 { return int64(time.Since(q.born)) + 1 }

// precedes reports whether somebody who has come before is next.
func (q *queue[T]) precedes(came int64) bool {
	return q.strict() && q.oldest.Load() < came
}

// push puts a caller at the end, who waits since then; it fails if the pool is
// closed.
func (q *queue[T]) push(ctx context.Context, since int64) (*waiter[T], error) {
	w, _ := q.spare.Get().(*waiter[T])
	if w == nil {
		w = &waiter[T]{told: make(chan delivery[T], 2)} // to look again, and the end
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	w.ctx, w.since, w.listed = ctx, since, true
	if w.prev = q.last; w.prev == nil {
		q.first = w
		q.oldest.Store(w.since)
	} else {
		w.prev.next = w
	}
	q.last = w
	q.n.Add(1)
	return w, nil
}

// remove takes w out, and reports whether it was in: if not, its wait has ended,
// and it is told how.
func (q *queue[T]) remove(w *waiter[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unlist(w)
}

// unlist is remove for who holds mu.
func (q *queue[T]) unlist(w *waiter[T]) bool {
	if w == nil || !w.listed {
		return false
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else if q.first = w.next; q.first == nil {
		q.oldest.Store(0)
	} else {
		q.oldest.Store(q.first.since)
	}
	w.prev, w.next, w.listed, w.ctx = nil, nil, false, nil
	q.n.Add(-1)
	if w.woken { // for nothing: what may be idle is the next one's
		q.looks(w)
		q.wakeFirst()
	}
	return true
}

// free keeps a waiter whose wait has ended for the next.
func (q *queue[T]) free(w *waiter[T]) {
	select {
	case <-w.told: // to look again
	default:
	}
	q.spare.Put(w)
}

// wake has the head look again, unless it is about to.
func (q *queue[T]) wake() {
	if q.woken.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakeFirst()
}

// wakeFirst is wake for who holds mu.
func (q *queue[T]) wakeFirst() {
	if w := q.first; w != nil && !q.woken.Swap(true) {
		w.woken = true
		w.told <- delivery[T]{again: true}
	}
}

// looking takes note that w, which was woken, is about to look: who puts
// something into the store from now on has to wake it again.
func (q *queue[T]) looking(w *waiter[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.woken {
		q.looks(w)
	}
}

// looks is looking for who holds mu.
func (q *queue[T]) looks(w *waiter[T]) {
	w.woken = false
	q.woken.Store(false)
}

// end takes the head out, for what d is to make of its wait, and tells it. It
// reports whether there was one; d is not called otherwise.
func (q *queue[T]) end(d delivery[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.first
	if !q.unlist(w) {
		return false
	}
	w.told <- d
	return true
}

// close ends every wait, and those that would begin.
func (q *queue[T]) close(outage uint64) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	for q.end(delivery[T]{err: ErrClosed, outage: outage}) {
	}
}

// contextOf returns the ctx of the waiter with n others before it, or that of
// the last, or nil.
func (q *queue[T]) contextOf(n int) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.first
	for ; w != nil && w.next != nil && n > 0; n-- {
		w = w.next
	}
	if w == nil {
		return nil
	}
	return w.ctx
}
