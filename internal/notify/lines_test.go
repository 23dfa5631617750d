package notify

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestALineKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		var mu sync.Mutex
		var got []int
		add := func(n int) func() {
			return func() { mu.Lock(); defer mu.Unlock(); got = append(got, n) }
		}
		hold := make(chan struct{})
		l.Go("a", func() { <-hold })
		synctest.Wait()
		l.Go("a", add(1))
		l.Do("a", add(2)) // in its turn
		l.Do("b", add(0)) // at once
		if !slices.Equal(got, []int{0}) {
			t.Error(got)
		}
		close(hold)
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Error(got)
		}
		l.Do("a", func() { l.Do("a", add(4)); add(3)() })
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Error(got)
		}
		if len(l.lines) != 0 || l.workers != 0 {
			t.Errorf("left behind: %d lines, %d workers", len(l.lines), l.workers)
		}
	})
}

func TestALineThatBlocksHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		hold := make(chan struct{})
		var mu sync.Mutex
		ran := 0
		for key := range 2 * mostWorkers {
			l.Go(key, func() {
				if key < mostWorkers-1 {
					<-hold
				}
				mu.Lock()
				defer mu.Unlock()
				ran++
			})
		}
		synctest.Wait()
		if ran != mostWorkers+1 {
			t.Error(ran)
		}
		close(hold)
		synctest.Wait()
		if ran != 2*mostWorkers || l.workers != 0 {
			t.Errorf("%d ran, %d workers", ran, l.workers)
		}
	})
}

func TestAFunctionThatEndsItsGoroutineLosesNoLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		ran := 0
		for range 100 {
			l.Go("a", runtime.Goexit)
		}
		l.Go("a", func() { ran++ })
		synctest.Wait()
		if ran != 1 || l.workers != 0 || len(l.lines) != 0 {
			t.Errorf("%d ran, %d workers, %d lines", ran, l.workers, len(l.lines))
		}
	})
}

// A line that is busy all the time must not grow.
func TestAQueueKeepsItsOrderAndNoMoreThanItNeeds(t *testing.T) {
	var q queue[*int]
	put, got := 0, 0
	for round := range 10_000 {
		for range 1 + round%7 {
			put++
			q.add(&[]int{put}[0])
		}
		for range 1 + (round+3)%7 {
			if q.isEmpty() {
				break
			}
			if got++; *q.take() != got {
				t.Fatalf("out of order at %d", got)
			}
		}
		if round == 5_000 && q.isEmpty() {
			q.add(new(int)) // from here on it is never empty
			*q.all[q.next] = put + 1
			put++
		}
	}
	if cap(q.all) > 1_000 {
		t.Errorf("there is room for %d, for %d", cap(q.all), put-got)
	}
	for !q.isEmpty() {
		q.take()
	}
	for i, left := range q.all[:cap(q.all)] {
		if left != nil {
			t.Errorf("%d is kept", i)
		}
	}
}

func TestASteadyLineAllocatesNothing(t *testing.T) {
	var l Lines
	done := make(chan struct{})
	f := func() { done <- struct{}{} }
	key := any(&l)
	use := func() { l.Go(key, f); <-done }
	use()
	// A goroutine is new at times, and its stack.
	if n := testing.AllocsPerRun(1_000, use); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}
