package pool

import (
	"maps"
	"time"

	"example.com/hale/health"
)

// Stats is what a pool has done and what it holds. Counts are since New.
type Stats struct {
	MaxConns    int
	Conns       int // open, idle or in use
	Idle        int
	InUse       int
	Dialing     int
	Quarantined int // suspect; no caller gets them until they are well again
	Waiting     int // callers in Acquire that wait

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
	Full          bool          // the endpoint serves, but its last dial failed: no more connections than these
}

// stats is what is counted. Its user holds the pool's mutex.
type stats struct {
	dials, dialErrors int64
	dialTime          time.Duration
	retries           int64
	deaths            map[health.Cause]int64
	recycled          map[Reason]int64
	outages           int64
	outageTime        time.Duration
	silence           time.Duration
}

func (st *stats) recycle(reason Reason, dead *health.DeadError) {
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
	st.outages++
	st.outageTime += o.Ended.Sub(o.Began)
}

func (p *Pool[T]) countDial(d time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.dials++
	if err != nil {
		p.stats.dialErrors++
		return
	}
	p.stats.dialTime += d
}

func (p *Pool[T]) countRetry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.retries++
}

// Stats returns a snapshot.
func (p *Pool[T]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Stats{
		MaxConns: p.config.MaxConns, Conns: len(p.filled), Dialing: p.dialing, Waiting: int(p.waiting.Load()),
		Acquires: p.acquires.Load(), Waits: p.waits.Load(), WaitTime: time.Duration(p.waitTime.Load()),
		Dials: p.stats.dials, DialErrors: p.stats.dialErrors, DialTime: p.stats.dialTime, Retries: p.stats.retries,
		Deaths: maps.Clone(p.stats.deaths), Recycled: maps.Clone(p.stats.recycled),
		Outages: p.stats.outages, OutageTime: p.stats.outageTime, Silence: p.stats.silence,
		Invalidations: p.epoch.Load() &^ shut, Down: p.reconnector.state == down, Full: p.reconnector.state == full,
	}
	for s := range p.filled {
		if s.held() {
			st.InUse++
		}
	}
	for _, s := range p.aside {
		if !s.unfit.Load() {
			st.Quarantined++
		}
	}
	st.Idle = st.Conns - st.InUse - st.Quarantined
	return st
}
