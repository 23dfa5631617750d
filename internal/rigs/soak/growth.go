package main

import (
	"fmt"
	"runtime"
	"time"
)

const (
	// heapBound is how much more the heap may hold at the last quiet moment
	// than at the middle one.
	heapBound = 4 << 20
	// settling is for what is done in the background after a close.
	settling = 10 * time.Second
)

// A sample is what the process holds at a quiet moment.
type sample struct {
	When       string `json:"when"`
	Goroutines int    `json:"goroutines"`
	FDs        int    `json:"fds"`
	Heap       uint64 `json:"heap_bytes"` // after garbage collection
	Conns      int    `json:"connections"`
}

// count counts all but the heap.
func count() (s sample, err error) {
	s.Goroutines = runtime.NumGoroutine()
	s.FDs, err = countFDs()
	return s, err
}

// weigh completes a sample.
func (s *sample) weigh(when string, conns int) {
	runtime.GC()
	runtime.GC() // what had a finalizer is gone only now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.When, s.Heap, s.Conns = when, m.HeapAlloc, conns
}

// settled takes a sample, when there is as much as at an earlier one or when
// waiting for that is in vain.
func settled(when string, conns int, before sample) (s sample, err error) {
	for end := time.Now().Add(settling); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s, err = count()
		if err != nil || s.Goroutines == before.Goroutines && s.FDs == before.FDs {
			break
		}
	}
	s.weigh(when, conns)
	return s, err
}

// stillFor is how long nothing may have changed for a first sample.
const stillFor = 300 * time.Millisecond

// still takes a sample when nothing changes any more, or after a while.
func still(when string, conns int) (s sample, err error) {
	var last sample
	since := time.Now()
	for end := since.Add(settling); time.Now().Before(end) && time.Since(since) < stillFor; time.Sleep(5 * time.Millisecond) {
		if s, err = count(); err != nil {
			break
		}
		if s != last {
			last, since = s, time.Now()
		}
	}
	s.weigh(when, conns)
	return s, err
}

// compare looks whether s holds as much as before.
func (f *findings) compare(before, s sample) (leaked bool) {
	if s.Goroutines != before.Goroutines {
		f.add(checkGoroutines, "%d %s, %d %s", before.Goroutines, before.When, s.Goroutines, s.When)
	}
	if s.FDs != before.FDs {
		f.add(checkFDs, "%d %s, %d %s", before.FDs, before.When, s.FDs, s.When)
	}
	return s.Goroutines != before.Goroutines
}

// compareHeap looks at the samples of all quiet moments.
func (f *findings) compareHeap(quiet []sample) {
	if len(quiet) < 2 {
		return
	}
	middle, last := quiet[(len(quiet)-1)/2], quiet[len(quiet)-1]
	if last.Heap > middle.Heap+heapBound {
		f.add(checkHeap, "%s %s, %s %s, the bound is %s more", mib(middle.Heap), middle.When, mib(last.Heap), last.When, mib(heapBound))
	}
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
