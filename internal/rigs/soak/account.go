package main

import (
	"fmt"
	"sync"
)

// An account is kept of all requests, as the workers and the servers have them.
// A request that is settled is forgotten, so that the account stays small: what
// is not in it, and was begun, must not be run any more.
type account struct {
	findings *findings

	mu    sync.Mutex        // guards what follows
	begun map[uint64]uint64 // by worker, the last sequence number
	open  map[uint64]entry
}

func newAccount(f *findings) *account {
	return &account{findings: f, begun: make(map[uint64]uint64), open: make(map[uint64]entry)}
}

// entry is one request.
type entry struct {
	outcome    outcome
	idempotent bool  // it may run once for each attempt
	attempts   uint8 // to send it
	runs       uint8
}

// String says what is special about the request.
func (e entry) String() string {
	if !e.idempotent {
		return ""
	}
	return fmt.Sprintf(" (idempotent, %d attempts)", e.attempts)
}

// An outcome is how a request has ended for its worker.
type outcome uint8

const (
	underWay outcome = iota
	replied
	failed // it may have been run
	unsent // it failed, and cannot have been run
)

// begin returns the number of a new request.
func (a *account) begin(worker int, idempotent bool) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := uint64(worker) + 1
	a.begun[w]++
	n := w<<sequenceBits | a.begun[w]
	a.open[n] = entry{idempotent: idempotent}
	return n
}

// attempt notes that the request is about to be sent.
func (a *account) attempt(n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.open[n]
	e.attempts++
	a.open[n] = e
}

// end notes what became of a request. (One that was run without an attempt is
// in the findings already.)
func (a *account) end(n uint64, o outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, open := a.open[n]
	if !open {
		return
	}
	e.outcome = o
	if o == unsent && e.runs > 0 {
		a.findings.add(checkRuns, "%v%v was said to be unsent, and was run", number(n), e)
	}
	a.settle(n, e)
}

// run notes that a server runs the request.
func (a *account) run(n uint64, server string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, open := a.open[n]
	switch {
	case !open && a.begun[n>>sequenceBits] < n&(1<<sequenceBits-1):
		a.findings.add(checkRuns, "%v was run by %s, and nobody has asked", number(n), server)
		return
	case !open:
		a.findings.add(checkRuns, "%v was run again, by %s, after it had been run as often as it may", number(n), server)
		return
	}
	e.runs++
	switch most := e.most(); {
	case e.runs > most:
		a.findings.add(checkRuns, "%v%v was run %d times, the last time by %s, at most %d is right", number(n), e, e.runs, server, most)
	case e.outcome == unsent:
		a.findings.add(checkRuns, "%v%v was said to be unsent, and was run by %s after that", number(n), e, server)
	}
	a.settle(n, e)
}

// most is how often a request may run.
func (e entry) most() uint8 {
	if e.idempotent {
		return e.attempts
	}
	return min(1, e.attempts)
}

// settle keeps what is known of a request, or forgets it if it has ended and
// can only be run too often. One that has never been attempted may not run at
// all.
func (a *account) settle(n uint64, e entry) {
	over := (e.outcome == replied || e.outcome == failed) && e.runs > 0
	if over && e.runs >= e.most() || e.outcome == unsent && e.attempts == 0 {
		delete(a.open, n)
		return
	}
	a.open[n] = e
}

// balance looks at every request, when no request is under way and the
// servers have told everything.
func (a *account) balance() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, e := range a.open {
		switch {
		case e.outcome == underWay:
			a.findings.add(checkEnds, "%v%v has ended neither with a reply nor with an error", number(n), e)
		case e.outcome == replied && e.runs == 0:
			a.findings.add(checkRuns, "%v%v was replied to, and no server has run it", number(n), e)
		default:
			continue
		}
		delete(a.open, n)
	}
}
