package pool

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health"
)

// Stats is what a pool has done and what it holds. Counts are since New.
type Stats struct {
	MaxConns    int // as it is now, see Resize
	Conns       int // open: idle, quarantined or in use; those being dialled or closed are none of them
	Idle        int
	InUse       int
	Dialing     int
	Quarantined int // suspect; no caller gets them until they are well again
	Unwatched   int // whose death is not told: it is found when they are used, or by Check or Heartbeat
	Waiting     int // callers in Acquire that wait, for a connection, a dial or a Check

	Acquires      int64         // that got a connection
	Waits         int64         // of them, those that waited
	WaitTime      time.Duration // of all callers, those that got none included
	Dials         int64
	DialErrors    int64
	DialTime      time.Duration // of those that succeeded
	Retries       int64         // of Do
	Deaths        map[health.Cause]int64
	Recycled      map[Reason]int64
	Outages       int64         // that have ended
	OutageTime    time.Duration // of those, from the silence on
	Silence       time.Duration // of all deaths, from the peer's last sign of life
	Invalidations uint64        // how often Invalidate was called
	Down          bool          // an outage runs, and neither a dial nor a reply has reached the endpoint since it began
	Full          bool          // the endpoint serves, but its last dial failed, or the last connections were closed unheard: no more than these
	Unmonitored   bool          // Config.Monitor cannot judge what is in use: it has no connection of its own
}

// stats is what is counted.
type stats struct {
	waits    atomic.Int64 // callers that waited and got a connection
	waitTime atomic.Int64 // of all, in nanoseconds

	mu                sync.Mutex // guards what follows
	dials, dialErrors int64
	dialTime          time.Duration
	retries           int64
	deaths            map[health.Cause]int64
	recycled          map[Reason]int64
	outages           int64
	outageTime        time.Duration
	silence           time.Duration
}

func (st *stats) waited(d time.Duration) { st.waitTime.Add(int64(d)) }

func (st *stats) recycle(reason Reason, dead *health.DeadError) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.recycled == nil {
		st.recycled, st.deaths = make(map[Reason]int64), make(map[health.Cause]int64)
	}
	st.recycled[reason]++
	if dead != nil {
		st.deaths[dead.Cause]++
		st.silence += dead.Silence
	}
}

func (st *stats) outage(o Outage) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.outages++
	st.outageTime += o.Ended.Sub(o.Began)
}

func (st *stats) dialed(d time.Duration, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.dials++
	if err != nil {
		st.dialErrors++
		return
	}
	st.dialTime += d
}

func (st *stats) retried() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.retries++
}

// snapshot is the part of Stats that is counted here.
func (st *stats) snapshot() Stats {
	st.mu.Lock()
	defer st.mu.Unlock()
	return Stats{
		Waits: st.waits.Load(), WaitTime: time.Duration(st.waitTime.Load()),
		Dials: st.dials, DialErrors: st.dialErrors, DialTime: st.dialTime, Retries: st.retries,
		Deaths: maps.Clone(st.deaths), Recycled: maps.Clone(st.recycled),
		Outages: st.outages, OutageTime: st.outageTime, Silence: st.silence,
	}
}

// Stats returns a snapshot.
func (p *Pool[T]) Stats() Stats {
	st := p.stats.snapshot()
	p.countOwn(&st)
	p.dialer.stats(&st)
	p.conns.count(&st, func(*slot[T], word, bool) {})
	return st
}

// countOwn fills in what none of the pool's parts knows.
func (p *Pool[T]) countOwn(st *Stats) {
	st.Acquires, st.Waiting = p.acquires.sum(), int(p.waiting.Load())
	st.Invalidations = p.epoch.Load() &^ shut
	st.Unmonitored = p.monitor.isBlind()
}

// stats fills in what the dialer knows.
func (d *dialer) stats(st *Stats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(st)
}

// count is stats for who holds mu.
func (d *dialer) count(st *Stats) {
	st.MaxConns, st.Dialing, st.Down, st.Full = d.most(), d.dialing, d.state == down, d.state == full
}

// count fills in what becomes of the connections, and shows each to see, with
// whether its death is not told; see must be quick.
func (c *conns[T]) count(st *Stats, see func(s *slot[T], w word, unwatched bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Conns = len(c.all)
	for s := range c.all {
		w := s.load()
		switch {
		case w.held():
			st.InUse++
		case w.state() == quarantined && w&unfit == 0:
			st.Quarantined++
		}
		s.mu.Lock()
		unwatched := s.unwatched
		s.mu.Unlock()
		if unwatched {
			st.Unwatched++
		}
		see(s, w, unwatched)
	}
	st.Idle = st.Conns - st.InUse - st.Quarantined
}
