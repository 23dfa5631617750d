package main

import (
	"sync"
	"time"

	"example.com/hale/pool"
)

// outages are those that the pool has told of.
type outages struct {
	options
	findings *findings
	history  *history

	mu    sync.Mutex // guards what follows
	open  map[uint64]pool.Outage
	over  []pool.Outage // since the last quiet moment
	lost  []time.Time   // when connections died
	begun int64
	ended int64
}

// observe returns an Observer that tells o.
func (o *outages) observe() *pool.Observer {
	return &pool.Observer{OutageBegin: o.begin, OutageEnd: o.end, Evict: o.evicted}
}

// evicted notes a connection that has died.
func (o *outages) evicted(i pool.EvictInfo) {
	if i.Err == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost = append(o.lost, i.Err.Detected)
}

// deaths are those of an outage, and of just before: a server that is killed
// closes its connections before anybody finds it gone. The caller holds o.mu.
func (o *outages) deaths(out pool.Outage) (n int) {
	for _, at := range o.lost {
		if at.After(out.Began.Add(-aftermath)) && !at.After(out.Ended) {
			n++
		}
	}
	return n
}

// begin notes an outage. Only a server that does not answer is one: not one
// that hangs up, is full or speaks unasked, nor a standstill of this process.
func (o *outages) begin(out pool.Outage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = make(map[uint64]pool.Outage)
	}
	o.begun++
	if out.ID != uint64(o.begun) || len(o.open) > 0 {
		o.findings.add(checkOutages, "outage %d was told after %d, with %d that had not ended", out.ID, o.begun-1, len(o.open))
	}
	o.open[out.ID] = out
	o.history.begins(outage, 0)
	if s := (span{out.Began, out.Detected}); s.to.Before(s.from) || !o.history.any(s, mute) {
		o.findings.add(checkOutages, "no server was mute: %v", out)
	}
}

// end notes that an outage is over.
func (o *outages) end(out pool.Outage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, open := o.open[out.ID]; !open {
		o.findings.add(checkHealed, "an end without a beginning: %v", out)
		return
	}
	delete(o.open, out.ID)
	o.ended++
	o.history.ends(outage, 0)
	o.over = append(o.over, out)
	switch after := o.history.longestWithout(span{out.Detected, out.Ended}, troubled, 0); {
	case out.Ended.Before(out.Detected) || !out.Healed:
		o.findings.add(checkHealed, "it did not heal: %v", out)
	case after > o.healing():
		o.findings.add(checkHealed, "both servers had been well for %.2f s: %v", after.Seconds(), out)
	}
}

// healing is how long an outage may go on with both servers well: a connection
// may be silent until it is given up, or a dial hang, and then there is a pause.
func (o *outages) healing() time.Duration {
	return max(o.longestSilence(), dialTimeout) + dialTimeout + longestPause + tolerance
}

// settled looks at a quiet moment: there is no outage, and all deaths were told.
// One may just be ending.
func (o *outages) settled(when string, st pool.Stats) {
	for end := time.Now().Add(tolerance); o.running() > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, out := range o.open {
		o.findings.add(checkHealed, "%s: an outage goes on: %v; %+v", when, out, st)
	}
	for _, out := range o.over {
		if n := o.deaths(out); out.Lost > n {
			o.findings.add(checkLost, "%d have died: %v", n, out)
		}
	}
	o.over = nil
}

func (o *outages) running() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

// counted compares with what the pool has counted.
func (o *outages) counted(st pool.Stats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if st.Outages != o.ended {
		o.findings.add(checkOutages, "%d have ended, and the pool counts %d", o.ended, st.Outages)
	}
}
