package cluster

import (
	"sync"
	"sync/atomic"

	"example.com/hale/pool"
)

// queue is the callers that wait for a place, in the order in which they came. One
// that goes on to another endpoint keeps its turn.
type queue[T any] struct {
	n    atomic.Int64
	came atomic.Uint64

	mu          sync.Mutex // guards what follows; no call-out under it but to take a place
	first, last *waiter[T]
	closed      bool
}

// waiter is a caller that waits.
type waiter[T any] struct {
	wish       *wish
	avoid      set[T]
	came       uint64
	told       chan *member[T] // at which a place was taken; nil if the cluster is closed
	prev, next *waiter[T]
	listed     bool
}

func (q *queue[T]) len() int { return int(q.n.Load()) }

// turn is a caller's, which it keeps.
func (q *queue[T]) turn() uint64 { return q.came.Add(1) }

// push lists a waiter in its turn, unless too many wait already; most 0 is no limit.
func (q *queue[T]) push(w *waiter[T], most int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return pool.ErrClosed
	}
	if most > 0 && q.len() >= most {
		return pool.ErrTooManyWaiters
	}
	after := q.last
	for after != nil && after.came > w.came {
		after = after.prev
	}
	w.prev, w.listed = after, true
	if after == nil {
		w.next, q.first = q.first, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		q.last = w
	} else {
		w.next.prev = w
	}
	q.n.Add(1)
	return nil
}

// remove takes w out, and reports whether it was in: if not, it is told.
func (q *queue[T]) remove(w *waiter[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unlist(w)
}

// unlist is remove for who holds mu.
func (q *queue[T]) unlist(w *waiter[T]) bool {
	if !w.listed {
		return false
	}
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.listed = nil, nil, false
	q.n.Add(-1)
	return true
}

// serve gives places to those who wait, in turn, until all are taken. A wish that
// cannot be served does not have to be looked at again, but for those who have tried some
// in vain: they may go further.
func (q *queue[T]) serve(admit func(*wish, set[T]) *member[T], taken func() bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var none [len(roleNames)]bool
	for w := q.first; w != nil && !taken(); {
		next := w.next
		if !none[w.wish.role] || len(w.avoid) > 0 {
			if m := admit(w.wish, w.avoid); m != nil {
				q.unlist(w)
				w.told <- m
			} else {
				none[w.wish.role] = true // enter looks at all of them
			}
		}
		w = next
	}
}

// close ends every wait, and those that would begin.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for w := q.first; w != nil; w = q.first {
		q.unlist(w)
		w.told <- nil
	}
}
