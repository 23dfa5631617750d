package heartbeat

import "sync/atomic"

// lock says who has a connection, and since when nobody has: one word, so that
// taking the connection and giving it back are one atomic operation each.
// Those who wait do so at a channel, where synctest sees them, unlike at a
// mutex.
type lock struct {
	state  atomic.Int64  // taken, awaited, or when the connection was last used: not negative
	before int64         // the state from which it was taken; belongs to who has it
	free   chan struct{} // a sign for one who waits; a stale one makes him look in vain
}

const (
	taken   = -1
	awaited = -2 // taken, and somebody may wait for it
)

func newLock(used int64) *lock {
	l := &lock{free: make(chan struct{}, 1)}
	l.state.Store(used)
	return l
}

func (l *lock) lock() {
	if !l.tryLock() {
		l.wait()
	}
}

// tryLock takes the lock if it is free.
func (l *lock) tryLock() bool {
	for {
		used := l.state.Load()
		if used < 0 {
			return false
		}
		if l.take(used, taken) {
			return true
		}
	}
}

// wait takes the lock once it is free. Others may wait as well, so whoever has
// waited gives the next one a sign in any case.
func (l *lock) wait() {
	for {
		switch now := l.state.Load(); {
		case now >= 0:
			if l.take(now, awaited) {
				return
			}
		case now == awaited || l.state.CompareAndSwap(now, awaited):
			<-l.free
		}
	}
}

// take takes the lock if nobody has had it since it was used at that time.
func (l *lock) take(used, as int64) bool {
	if !l.state.CompareAndSwap(used, as) {
		return false
	}
	l.before = used
	return true
}

// unlock frees the lock of a connection that was last used at that time.
func (l *lock) unlock(used int64) {
	switch l.state.Swap(used) {
	case taken:
	case awaited:
		select {
		case l.free <- struct{}{}:
		default:
		}
	default:
		panic("heartbeat: unlock of a Pulse that is not locked")
	}
}

// lastUsed is when the connection was last used, unless somebody has it.
func (l *lock) lastUsed() (used int64, free bool) {
	used = l.state.Load()
	return used, used >= 0
}
