package cluster

import (
	"sync"
	"time"
)

// budget bounds what is sent again: a part of the calls of the last ten seconds, and
// some more, as Finagle's RetryBudget does.
type budget struct {
	ratio float64
	floor int // per second
	born  time.Time

	mu      sync.Mutex // guards what follows
	second  int64      // that the newest bucket is for
	calls   [budgetSeconds]int
	retries [budgetSeconds]int
}

const budgetSeconds = 10

// advance empties the buckets of what is over. The caller holds mu.
func (b *budget) advance() *int {
	now := int64(time.Since(b.born) / time.Second)
	for ; b.second < now; b.second++ {
		if now-b.second > budgetSeconds {
			b.second = now - budgetSeconds
		}
		i := (b.second + 1) % budgetSeconds
		b.calls[i], b.retries[i] = 0, 0
	}
	return &b.calls[now%budgetSeconds]
}

// call counts one.
func (b *budget) call() {
	b.mu.Lock()
	defer b.mu.Unlock()
	*b.advance()++
}

// retry reports whether one may be sent again, and counts it then.
func (b *budget) retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	calls, retries := 0, 0
	for i := range budgetSeconds {
		calls += b.calls[i]
		retries += b.retries[i]
	}
	if float64(retries+1) > b.ratio*float64(calls)+float64(b.floor)*budgetSeconds {
		return false
	}
	b.retries[b.second%budgetSeconds]++
	return true
}
