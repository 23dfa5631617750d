package pool

import "sync/atomic"

// admission bounds how many callers wait, for MaxWaiters. Without it it counts
// nobody.
type admission struct {
	most   int          // that may wait; 0 is any number
	inside atomic.Int64 // callers in Acquire, or with a connection
}

// enter counts a caller, unless too many wait; leave ends that.
func (a *admission) enter(d *dialer) bool {
	if a.most == 0 {
		return true
	}
	ok := a.inside.Add(1)-d.maxConns.Load() <= int64(a.most)
	if !ok {
		a.inside.Add(-1)
	}
	return ok
}

// join counts a caller, however many wait.
func (a *admission) join() {
	if a.most > 0 {
		a.inside.Add(1)
	}
}

// leave ends what enter or join has counted.
func (a *admission) leave() {
	if a.most > 0 {
		a.inside.Add(-1)
	}
}
