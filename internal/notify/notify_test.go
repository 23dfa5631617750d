package notify

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterStopNothingIsCalled(t *testing.T) {
	for range 1000 {
		var stopped atomic.Bool
		c := New(func(int) {
			if stopped.Load() {
				t.Error("called after Stop had returned")
			}
		})
		var wg sync.WaitGroup
		wg.Go(func() { c.Fire(1); c.Fire(2) })
		c.Stop()
		stopped.Store(true)
		wg.Wait()
	}
}

func TestStopWaitsForACallThatRuns(t *testing.T) {
	running, finish := make(chan struct{}), make(chan struct{})
	var done atomic.Bool
	c := New(func(int) {
		close(running)
		<-finish
		done.Store(true)
	})
	go c.Fire(0)
	<-running
	time.AfterFunc(10*time.Millisecond, func() { close(finish) })
	c.Stop()
	if !done.Load() {
		t.Error("Stop returned in the middle of a call")
	}
}

func TestStopWithinTheFunctionDoesNotWaitForItself(t *testing.T) {
	calls := 0
	var c *Call[int]
	c = New(func(int) { calls++; c.Stop() })
	c.Fire(0)
	c.Fire(0)
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

// steps is what has happened, in its order.
type steps struct {
	mu   sync.Mutex // guards list
	list []string
}

func (s *steps) add(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, step)
}

func (s *steps) are(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.list, want) {
		t.Errorf("%q, want %q", s.list, want)
	}
}

// Who waits for himself is found out by the bubble.
func TestAFireWithinTheFunctionIsCalledAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steps
		var c *Call[string]
		c = New(func(v string) {
			s.add("begin " + v)
			if v == "a" {
				c.Fire("b")
				c.Fire("c")
			}
			s.add("end " + v)
		})
		c.Fire("a")
		s.are(t, "begin a", "end a", "begin b", "end b", "begin c", "end c")
	})
}

func TestAFireThroughTheFunctionOfAnotherCallIsCalledAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steps
		var a, b *Call[string]
		a = New(func(v string) { s.add("a " + v); b.Fire(v); s.add("end a " + v) })
		b = New(func(v string) {
			s.add("b " + v)
			if v == "first" {
				a.Fire("second")
			}
		})
		a.Fire("first")
		s.are(t, "a first", "b first", "end a first", "a second", "b second", "end a second")
	})
}

func TestTwoFunctionsThatFireEachOtherOnTwoGoroutinesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var both sync.WaitGroup
		both.Add(2)
		var a, b *Call[bool]
		each := func(other **Call[bool]) func(bool) {
			return func(first bool) {
				calls.Add(1)
				if first {
					both.Done()
					both.Wait()
					(*other).Fire(false)
				}
			}
		}
		a, b = New(each(&b)), New(each(&a))
		go a.Fire(true)
		b.Fire(true)
		synctest.Wait()
		if n := calls.Load(); n != 4 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestAFireDuringACallOfAnotherGoroutineIsLeftToThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steps
		running, finish := make(chan struct{}), make(chan struct{})
		c := New(func(v string) {
			s.add("begin " + v)
			if v == "a" {
				close(running)
				<-finish
			}
			s.add("end " + v)
		})
		go c.Fire("a")
		<-running
		c.Fire("b")
		s.are(t, "begin a")
		close(finish)
		synctest.Wait()
		s.are(t, "begin a", "end a", "begin b", "end b")
	})
}

func TestAStopWithinTheFunctionCallsOffWhatThatHasFired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var c *Call[int]
		c = New(func(int) { calls++; c.Fire(0); c.Stop(); c.Fire(0) })
		c.Fire(0)
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestAPanicOfTheFunctionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steps
		var c *Call[string]
		c = New(func(v string) {
			s.add(v)
			if v == "a" {
				c.Fire("b")
				panic(v)
			}
		})
		func() {
			defer func() { _ = recover() }()
			c.Fire("a")
		}()
		c.Fire("c")
		c.Stop()
		s.are(t, "a", "b", "c")
	})
}

func TestManyFiresDoNotOverlapAndNoneIsLost(t *testing.T) {
	const each = 100
	var wg sync.WaitGroup
	running, calls := 0, 0 // for the race detector to watch
	var c *Call[bool]
	c = New(func(again bool) {
		if running++; running != 1 {
			t.Error("two calls at once")
		}
		if calls++; again {
			c.Fire(false)
		}
		running--
	})
	for range 8 {
		wg.Go(func() {
			for range each {
				c.Fire(true)
			}
		})
	}
	wg.Wait()
	c.Stop()
	if calls != 8*each*2 {
		t.Errorf("%d calls", calls)
	}
}
