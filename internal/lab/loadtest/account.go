package loadtest

import (
	"maps"
	"slices"
	"sync"
)

// An Account is what all servers of a run have together: which requests
// have reached one of them. The zero Account is empty.
type Account struct {
	mu         sync.Mutex // guards what follows
	seen       map[uint64]struct{}
	duplicated int
}

func (a *Account) enter(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = make(map[uint64]struct{})
	}
	if _, again := a.seen[number]; again {
		a.duplicated++
	}
	a.seen[number] = struct{}{}
}

// Duplicated counts the requests that arrived although they had arrived
// before.
func (a *Account) Duplicated() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.duplicated
}

// Numbers returns the requests that have arrived, in no order.
func (a *Account) Numbers() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.seen))
}
