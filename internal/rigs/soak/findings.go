package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A checkName names something that has to hold.
type checkName string

const (
	checkEnds       checkName = "every request ends"
	checkMatched    checkName = "every reply is to its request"
	checkRuns       checkName = "every request runs as often as its client was told"
	checkPromise    checkName = "a silent peer is noticed within the promise"
	checkAlive      checkName = "a server that answers is not given up"
	checkOutages    checkName = "an outage is that of a server that does not answer"
	checkHealed     checkName = "every outage ends, and soon"
	checkLost       checkName = "an outage counts the connections that were lost to it"
	checkDead       checkName = "no connection is handed out dead"
	checkStalls     checkName = "replies come as long as a server is well"
	checkPlaces     checkName = "the pool has all its places"
	checkGoroutines checkName = "no goroutine is left behind"
	checkFDs        checkName = "no descriptor is left behind"
	checkHeap       checkName = "the heap does not grow"
)

// checks are all of them, in the order in which they are printed.
var checks = []checkName{
	checkEnds, checkMatched, checkRuns, checkPromise, checkAlive, checkOutages, checkHealed, checkLost,
	checkDead, checkStalls, checkPlaces, checkGoroutines, checkFDs, checkHeap,
}

// findings are the violations of the checks. Their use is safe for several
// goroutines at once.
type findings struct {
	mu      sync.Mutex // guards what follows
	byCheck map[checkName]*finding
}

// A finding is what a check has found.
type finding struct {
	Count int      `json:"count"`
	First []string `json:"first"` // at most mostDetails of them
}

const mostDetails = 10

func (f *findings) add(c checkName, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byCheck == nil {
		f.byCheck = make(map[checkName]*finding)
	}
	found := f.byCheck[c]
	if found == nil {
		found = new(finding)
		f.byCheck[c] = found
	}
	found.Count++
	if len(found.First) < mostDetails {
		found.First = append(found.First, fmt.Sprintf(format, args...))
	}
}

// all returns a copy.
func (f *findings) all() map[checkName]finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[checkName]finding, len(f.byCheck))
	for c, found := range f.byCheck {
		all[c] = finding{Count: found.Count, First: slices.Clone(found.First)}
	}
	return all
}

// verdict is nil if all checks held.
func verdict(all map[checkName]finding) error {
	var errs []error
	for _, c := range checks {
		if found, ok := all[c]; ok {
			errs = append(errs, fmt.Errorf("not so: %s (%d): %s", c, found.Count, strings.Join(found.First, "; ")))
		}
	}
	return errors.Join(errs...)
}
