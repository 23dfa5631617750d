package main

import (
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
)

// longestCalm is how long a stall may be in which no server is mute, nor was
// when the request began that it began with.
const longestCalm = tolerance

// stallFrom is the time without a good reply from which on it is a stall.
const stallFrom = 250 * time.Millisecond

// A tally is what the workers and the connections have seen.
type tally struct {
	options
	findings *findings
	downtime *downtime
	history  *history

	mu      sync.Mutex // guards what follows
	counts  counts
	replies histogram     // from a request to its good reply
	stalls  histogram     // see wait
	fine    time.Duration // the longest of a stall while the server was well
	calm    time.Duration // and while no server had been mute for long
	silence time.Duration // the longest before a death by silence
}

// counts are of requests.
type counts struct {
	requests, replied, retried int
	errors                     map[string]int // by cause
	unexplained                []string       // the first few errors without a cause
}

// asked notes a request that has ended, and why if it failed.
func (t *tally) asked(took time.Duration, err error, impatient bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.requests++
	if err == nil {
		t.counts.replied++
		t.replies.add(took)
		return
	}
	c := cause(err, impatient)
	t.counts.errors[c]++
	if c == causeUnexplained && len(t.counts.unexplained) < mostDetails {
		t.counts.unexplained = append(t.counts.unexplained, err.Error())
	}
}

// retried notes that a request is sent again, since nothing of it had left.
func (t *tally) retried() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.retried++
}

// wait notes that a worker has had no good reply for a time.
func (t *tally) wait(s span) {
	took := s.to.Sub(s.from)
	if took < stallFrom {
		return
	}
	fine := t.downtime.longestUp(s)
	if limit := t.patience(); fine > limit {
		t.findings.add(checkStalls, "no good reply for %.2f s, for %.2f s of them the server was well", took.Seconds(), fine.Seconds())
	}
	calm := t.history.longestWithout(s, troubled, t.deadline()+tolerance)
	if calm > longestCalm {
		t.findings.add(checkStalls, "no good reply for %.2f s, for %.2f s of them no server had been mute for long", took.Seconds(), calm.Seconds())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calm = max(t.calm, calm)
	t.stalls.add(took)
	t.fine = max(t.fine, fine)
}

// died notes a connection's death. It is a hook of a hale.Observer.
func (t *tally) died(i hale.DeadInfo) {
	if i.Err.Cause != health.KeepAliveTimeout && i.Err.Cause != health.SendTimeout {
		return
	}
	silence := i.Err.Silence - t.history.stood(span{i.Err.Since(), i.Err.Detected})
	if limit := t.longestSilence(); silence > limit {
		t.findings.add(checkPromise, "%v, at most %v is right", i.Err, limit)
	}
	t.givenUp(i.Err.Peer, i.Err, of(freeze))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silence = max(t.silence, silence)
}

// evicted notes that a connection left the pool. It is a hook of a
// pool.Observer.
func (t *tally) evicted(i pool.EvictInfo) {
	if i.Err != nil && i.Err.Cause == health.HeartbeatFailed {
		t.givenUp(i.Conn.RemoteAddr(), i.Err, of(freeze, stop, slowReader))
	}
}

// givenUp looks whether a death by silence has one of the faults for a cause.
func (t *tally) givenUp(peer net.Addr, dead *health.DeadError, faults choice) {
	server := serverAt(peer)
	if server < 0 || !t.history.any(span{dead.Since(), dead.Detected}, faults.at(server)) {
		t.findings.add(checkAlive, "%v was well: %v", peer, dead)
	}
}

// soFar returns the counts.
func (t *tally) soFar() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.errors = maps.Clone(c.errors)
	c.unexplained = slices.Clone(c.unexplained)
	return c
}
