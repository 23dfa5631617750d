package notify

import (
	"sync"
	"sync/atomic"
	"testing"
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
