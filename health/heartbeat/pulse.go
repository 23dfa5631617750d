package heartbeat

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/notify"
)

// A Pulse is the heartbeat of one connection. Its owner locks it around every
// use of the connection, deadlines included, so that no probe gets in between;
// a pool locks it when it hands the connection out and unlocks it when it gets
// it back.
//
// Its methods may be called by several goroutines at once, also after the
// Pulse has ended: then it is nothing but a lock.
type Pulse struct {
	scheduler *scheduler
	conn      net.Conn
	dead      *notify.Call[*health.DeadError]
	after     *notify.Call[net.Conn]
	lock      *lock       // by the scheduler's clock
	missed    atomic.Bool // locked when a probe was due

	failures int           // in a row; belongs to the probe
	pause    time.Duration // from the last use to the next probe; guarded, as the rest is, by scheduler.mu
	next     time.Duration // when the scheduler looks at it
	place    int           // in scheduler.due; -1 if it is not there
	attempt  *attempt      // the last one that may be under way
	ended    bool
}

var _ sync.Locker = (*Pulse)(nil)

// Lock takes the connection for its owner. It waits for a probe that is under
// way, which takes no longer than Timeout, and for the call of dead that may
// follow; no probe runs until Unlock. If the connection is free, it costs an
// atomic operation.
func (p *Pulse) Lock() { p.lock.lock() }

// TryLock is Lock without waiting. It reports whether the connection was free.
func (p *Pulse) TryLock() bool { return p.lock.tryLock() }

// Unlock gives the connection back. The interval to the next probe begins anew.
// It panics if the Pulse is not locked.
func (p *Pulse) Unlock() { p.release() }

// UnlockUnused gives a connection back on which nothing was heard from the
// peer: the interval goes on as if it had not been locked, and a probe that
// came due meanwhile is made at once. It panics if the Pulse is not locked.
func (p *Pulse) UnlockUnused() {
	p.lock.unlock(p.lock.before)
	if p.missed.Load() && p.missed.Swap(false) {
		p.scheduler.lookAgain(p)
	}
}

func (p *Pulse) release() { p.lock.unlock(int64(p.scheduler.now())) }

// Stop ends the heartbeat. A probe that is under way is interrupted, by its
// context and by a deadline in the past, and waited for; the connection's
// deadlines are restored by then. Once Stop has returned, neither dead nor After
// is running or will be called (unless it was one of them that called Stop). It
// may be called more than once, with the Pulse locked or not.
func (p *Pulse) Stop() {
	if a := p.scheduler.remove(p); a != nil {
		a.cancel()
		<-a.done
	}
	p.dead.Stop()
	p.after.Stop()
	p.scheduler.join()
}

// lockDue takes the connection for a probe that is due, or says when to try
// again.
func (p *Pulse) lockDue(now time.Duration) (again time.Duration, ok bool) {
	for {
		used, free := p.lock.lastUsed()
		if !free {
			// Either we see the lock free now, or UnlockUnused sees the mark.
			p.missed.Store(true)
			if used, free = p.lock.lastUsed(); !free {
				return now + p.pause, false // and not later than a pause after Unlock
			}
		}
		if due := time.Duration(used) + p.pause; due > now {
			return due, false
		}
		if p.lock.take(used, taken) {
			return 0, true
		}
	}
}
