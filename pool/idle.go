package pool

import (
	"context"
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/puddle/v2"
)

// idle is the store of what nobody uses. What a goroutine has used last lies in
// a lane, from where it or another takes it by one atomic operation; what was
// there before goes on puddle's stack, the last one on top. Every connection has
// a resource of puddle, from when it comes to the store first until its place is
// given back; while it lies in a lane that counts as acquired.
//
// A slot in the store is free, or leaving: who takes one of those out gives its
// place back.
type idle[T any] struct {
	lanes []lane[T] // as many as a power of two, or none
	stack *puddle.Pool[*slot[T]]
	known atomic.Int64 // how many are on the stack that nobody has come for yet
}

// lane is a place for one slot that has a cache line of its own, and its
// neighbour, which processors fetch with it.
type lane[T any] struct {
	slot atomic.Pointer[slot[T]]
	_    [120]byte
}

// mostLanes bounds how far there is to look if nothing is idle.
const mostLanes = 16

type slotKey struct{}

// resource is what puddle has of a slot; the zero resource is nothing.
type resource[T any] struct{ *puddle.Resource[*slot[T]] }

// newIdle returns an empty store. destruct is called for what lies on the stack,
// or comes there, when it is closed.
func newIdle[T any](lanes int, destruct func(*slot[T])) (idle[T], error) {
	stack, err := puddle.NewPool(&puddle.Config[*slot[T]]{
		Constructor: func(ctx context.Context) (*slot[T], error) { return slotOf[T](ctx) },
		Destructor:  destruct,
		MaxSize:     math.MaxInt32, // the pool counts the places, for there can be fewer or more one day
	})
	return idle[T]{stack: stack, lanes: make([]lane[T], lanes)}, err
}

// lanesFor is how many lanes a pool has: some for each processor, for goroutines
// meet in one by chance.
func lanesFor(maxConns int) int {
	n := min(maxConns, 4*runtime.GOMAXPROCS(0), mostLanes)
	return 1 << (bits.Len(uint(n)) - 1)
}

// newcomer is a slot that comes to the store.
type newcomer[T any] struct {
	slot *slot[T]
	came bool // puddle has it
}

func slotOf[T any](ctx context.Context) (*slot[T], error) {
	if n, ok := ctx.Value(slotKey{}).(*newcomer[T]); ok {
		n.came = true
		return n.slot, nil
	}
	return nil, errNoSlot
}

// admit puts a new slot into the store, and reports whether that has it now. If not, it
// is closed. One that comes while it is being closed is given to destruct.
func (d *idle[T]) admit(s *slot[T]) bool {
	n := newcomer[T]{slot: s}
	if d.stack.CreateResource(context.WithValue(context.Background(), slotKey{}, &n)) == nil {
		d.known.Add(1)
	}
	return n.came
}

// pop takes a slot out, or returns nil if there is none.
func (d *idle[T]) pop() *slot[T] {
	for i, mine := 0, stripe(); i < len(d.lanes); i++ {
		l := &d.lanes[(mine+i)&(len(d.lanes)-1)]
		if l.slot.Load() == nil {
			continue
		}
		if s := l.slot.Swap(nil); s != nil {
			return s
		}
	}
	return d.popStack()
}

// popStack takes a slot from puddle, which is asked only if it has one: of
// nothing it would make something.
func (d *idle[T]) popStack() *slot[T] {
	for n := d.known.Load(); n > 0; n = d.known.Load() {
		if !d.known.CompareAndSwap(n, n-1) {
			continue
		}
		res, err := d.stack.TryAcquire(context.Background())
		if err != nil {
			return nil // it is closed
		}
		s := res.Value()
		s.res = resource[T]{res}
		return s
	}
	return nil
}

// push puts a slot that was used into the lane of its user.
func (d *idle[T]) push(s *slot[T]) {
	if len(d.lanes) == 0 {
		d.pushStack(s)
	} else if older := d.lanes[stripe()&(len(d.lanes)-1)].slot.Swap(s); older != nil {
		d.pushStack(older)
	}
}

// pushStack puts a slot below those in the lanes.
func (d *idle[T]) pushStack(s *slot[T]) {
	s.res.ReleaseUnused()
	d.known.Add(1)
}

// all takes out everything, what was used last first.
func (d *idle[T]) all() (all []*slot[T]) {
	for s := d.pop(); s != nil; s = d.pop() {
		all = append(all, s)
	}
	return all
}

// drop takes a slot that is not in the store out of puddle's account.
func (d *idle[T]) drop(s *slot[T]) {
	if s.res.Resource != nil {
		s.res.Hijack() // unlike Destroy it is done with on return
	}
}

// close waits until everything that was ever admitted is dropped.
func (d *idle[T]) close() { d.stack.Close() }

// stripe is a number that goroutines at work at the same time seldom share, and
// one keeps as a rule: it is made of where its stack lies.
func stripe() int {
	var here byte
	return int(uint32(uintptr(unsafe.Pointer(&here))>>11) * 2654435769 >> 20)
}
