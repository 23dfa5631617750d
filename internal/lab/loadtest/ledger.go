package loadtest

import "sync"

// A Ledger is the account of all servers of a run together: which requests
// have reached one of them. The zero Ledger is empty.
type Ledger struct {
	mu         sync.Mutex // guards what follows
	seen       map[uint64]struct{}
	duplicated int
}

func (l *Ledger) enter(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = make(map[uint64]struct{})
	}
	if _, again := l.seen[number]; again {
		l.duplicated++
	}
	l.seen[number] = struct{}{}
}

// Duplicated counts the requests that arrived although they had arrived
// before.
func (l *Ledger) Duplicated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duplicated
}
