package cluster

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var tableFlag = flag.Bool("table", false, "print what was measured as the table of docs/cluster.md")

// limit is the time that every request has.
const limit = 5 * time.Second

// An outcome is how a request has ended, as far as its client can tell.
type outcome int

const (
	done    outcome = iota // the server has said so
	failed                 // and has not been run
	unknown                // it may have been run
)

// A load is workers that do the same, one request after another. None is sent again
// but by the client itself.
type load struct {
	client string
	kind   string // "write", "read" and such
	// do makes request n, which no other has.
	do func(ctx context.Context, n int) outcome

	attempts atomic.Int64 // how often a request was given to a server
	next     atomic.Int64

	mu       sync.Mutex // guards what follows
	ended    [3]int
	stall    time.Duration // the longest that a worker has been without one that was done
	finished map[int]outcome
	last     map[outcome]error

	counted     bool // by count
	lost, twice int  // of the writes: acknowledged ones, and any
}

// run lets workers work until ctx ends, each request in its time.
func (l *load) run(ctx context.Context, wg *sync.WaitGroup, workers int, pause time.Duration) {
	l.finished, l.last = make(map[int]outcome), make(map[outcome]error)
	for range workers {
		wg.Go(func() { l.work(ctx, pause) })
	}
}

func (l *load) work(ctx context.Context, pause time.Duration) {
	last := time.Now()
	for ctx.Err() == nil {
		n := int(l.next.Add(1))
		// The end of the run cuts no request short.
		requestCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		how := l.do(requestCtx, n)
		cancel()
		now := time.Now()
		l.mu.Lock()
		l.ended[how]++
		l.finished[n] = how
		if how == done {
			l.stall, last = max(l.stall, now.Sub(last)), now
		}
		l.mu.Unlock()
		if how == failed {
			time.Sleep(10 * pause) // as programs do
		} else {
			time.Sleep(pause)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stall = max(l.stall, time.Since(last))
}

// note keeps the last error that ended in an outcome, to be shown.
func (l *load) note(how outcome, err error) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[how] = err
	return how
}

// report tells what has become of loads that have met the same.
func report(t *testing.T, what string, loads ...*load) {
	t.Helper()
	var rows strings.Builder
	for _, l := range loads {
		l.mu.Lock()
		t.Logf("%s, %s, %s: longest stall %v, %d done, %d failed, %d unknown, %d attempts, %d lost, %d run twice; last errors: %v",
			what, l.client, l.kind, l.stall, l.ended[done], l.ended[failed], l.ended[unknown], l.attempts.Load(), l.lost, l.twice, l.last)
		fmt.Fprintf(&rows, "| %s | %s | %s | %.1f s | %d | %d | %d | %d |", what, l.client, l.kind, l.stall.Seconds(),
			l.ended[done], l.ended[failed], l.ended[unknown], l.attempts.Load())
		if l.counted {
			fmt.Fprintf(&rows, " %d | %d |\n", l.lost, l.twice)
		} else {
			rows.WriteString("  |  |\n")
		}
		l.mu.Unlock()
	}
	if !*tableFlag {
		return
	}
	table.Lock()
	defer table.Unlock()
	if !table.begun {
		table.begun = true
		fmt.Print("| what happens | client | requests | longest stall | done | failed | unknown | attempts | lost | twice |\n",
			"|---|---|---|---|---|---|---|---|---|---|\n")
	}
	fmt.Print(rows.String())
}

// table is what rows are printed to, those of one thing that happens together.
var table struct {
	sync.Mutex
	begun bool
}

// longest is how long a client of hale's may be without a request that was done, where
// nothing else runs: a second until the promotion, or the two and a half that Sentinels
// take, a second and a half until the monitor has told what hangs, and one for the rest.
const longest = 3500 * time.Millisecond

// stalled complains of loads of hale's that did nothing, or stalled. On a machine that is
// busy a read of a server that is well waits, too, and what takes several steps longer.
func stalled(t *testing.T, read *load, writes ...*load) {
	t.Helper()
	for _, l := range append(writes, read) {
		most := longest
		if l != read {
			most += 10 * read.stall
		}
		if l.ended[done] == 0 || l.stall > most {
			t.Errorf("hale: %s: %d done, longest stall %v, more than %v", l.kind, l.ended[done], l.stall, most)
		}
	}
}

// count compares what the client was told with how often each write has run, by
// number, at the new primary.
func (l *load) count(ran map[int]int) {
	l.counted = true
	for n, how := range l.finished {
		if how == done && ran[n] == 0 {
			l.lost++
		}
		if ran[n] > 1 {
			l.twice++
		}
	}
}

// ranThough are those that the client says have not run.
func (l *load) ranThough(ran map[int]int) (numbers []int) {
	for n, how := range l.finished {
		if how == failed && ran[n] > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
