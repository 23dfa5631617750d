package pool

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNobodyIsOvertakenWhoHasWaitedForLong has callers come and hold
// connections at random, and looks at every one who was given a connection:
// nobody who had come before, and patience ago, may have been
// without. The times are fake, and so exact.
func TestNobodyIsOvertakenWhoHasWaitedForLong(t *testing.T) {
	t.Parallel()
	for name, lanes := range map[string]func(int) int{"lanes": lanesFor, "none": func(int) int { return 0 }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overtaken := 0
			for seed := range uint64(60) {
				synctest.Test(t, func(t *testing.T) { overtaken += overtakes(t, seed, lanes) })
			}
			if overtaken == 0 {
				t.Error("nobody went first who ran already, not even within patience")
			}
		})
	}
}

// overtakes is how many were given a connection before somebody who waited.
func overtakes(t *testing.T, seed uint64, lanes func(int) int) (overtaken int) {
	e := new(endpoint)
	p, err := newWithLanes(Config[*fakeConn]{Dial: e.dial, Open: openFake, MaxConns: 3, MinConns: 3}, lanes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	synctest.Wait()
	line := &line{t: t, waiting: make(map[int]time.Time), passed: make(map[int]time.Time)}
	var wg sync.WaitGroup
	for i := range 12 {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for range 30 {
				if r.IntN(3) > 0 { // or else it comes again while the others are not awake yet
					time.Sleep(time.Duration(r.IntN(4000)) * time.Microsecond)
				}
				line.comes(i)
				c := acquire(t, p)
				line.served(i)
				time.Sleep(time.Duration(r.IntN(2500)) * time.Microsecond)
				c.Release()
			}
		})
	}
	wg.Wait()
	return line.overtaken
}

// line is who waits since when.
type line struct {
	t         *testing.T
	mu        sync.Mutex // guards what follows
	waiting   map[int]time.Time
	passed    map[int]time.Time // when one that came later was served first, unlawfully unless that is the same moment
	overtaken int
}

func (l *line) comes(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[i] = time.Now()
}

func (l *line) served(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.passed[i]; ok && at.Before(time.Now()) {
		l.t.Errorf("%d, who came at %v, was overtaken at %v", i, l.waiting[i], at)
	}
	came := l.waiting[i]
	delete(l.waiting, i)
	delete(l.passed, i)
	for j, since := range l.waiting {
		if !since.Before(came) {
			continue
		}
		l.overtaken++
		if _, already := l.passed[j]; !already && time.Since(since) >= patience {
			l.passed[j] = time.Now()
		}
	}
}

func TestAWokenWaiterKeepsItsPlaceUntilItIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 1 })
		held := acquire(t, p)
		var order []int
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				c := acquire(t, p)
				order = append(order, i)
				time.Sleep(time.Microsecond)
				c.Release()
			})
			synctest.Wait()
		}
		for range 5 { // each wakes the head, and takes what it was woken for
			held.Release()
			held = acquire(t, p)
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Fatalf("%v got what was taken", order)
		}
		held.Release()
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 3 {
			t.Errorf("served %v", order)
		}
	})
}

// TestWhatIsReleasedIsGivenAtOnceToWhoHasWaitedForLong has two released before
// anybody who waits can be awake.
func TestWhatIsReleasedIsGivenAtOnceToWhoHasWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), func(c *Config[*fakeConn]) { c.MaxConns = 2 })
		one, two := acquire(t, p), acquire(t, p)
		var wg sync.WaitGroup
		enough := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				c := acquire(t, p)
				<-enough
				c.Release()
			})
		}
		time.Sleep(patience)
		one.Release()
		two.Release()
		if n := p.queue.len(); n != 1 {
			t.Errorf("%d of 3 wait, though two were released", n)
		}
		if c, ok := p.TryAcquire(t.Context()); ok {
			t.Error("one that came later got a connection")
			c.Release()
		}
		close(enough)
		wg.Wait()
	})
}

func TestTheWakeOfAWaiterThatLeavesIsTheNextOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue[*fakeConn]{born: time.Now()}
		first, _ := q.push(context.Background(), q.now())
		second, _ := q.push(context.Background(), q.now())
		q.wake()
		q.wake() // one is enough
		if !q.remove(first) || len(first.told) != 1 || len(second.told) != 1 {
			t.Fatalf("%d, %d told", len(first.told), len(second.told))
		}
		q.looking(second)
		q.wake()
		if len(second.told) != 2 {
			t.Error("not woken again")
		}
	})
}
