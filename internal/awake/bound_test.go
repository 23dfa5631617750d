package awake

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestABoundedContextEndsWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-1, 0, 1, 3, time.Millisecond, 7*time.Millisecond + 1, time.Second, time.Hour + 3} {
		synctest.Test(t, func(t *testing.T) {
			r := newRing(time.Now)
			start := time.Now()
			b := r.bound(context.Background(), d)
			<-b.Done()
			if took := time.Since(start); took < max(d, 0) || took > max(d, shortest) || b.Err() != context.DeadlineExceeded || b.Missed() != 0 {
				t.Errorf("%v: %v after %v, %v missed", d, b.Err(), took, b.Missed())
			}
			b.Stop()
			rests(t, r)
		})
	}
}

// rests fails the test unless the timer is stopped when two steps without anybody are
// over.
func rests(t *testing.T, r *ring) {
	t.Helper()
	time.Sleep(time.Hour)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under.planned != 0 || r.ends.next != &r.ends {
		t.Errorf("steps of %v go on", r.under.planned)
	}
}

func TestEachOfManyEndsAtItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRing(time.Now)
		start := time.Now()
		for i, d := range []time.Duration{time.Hour, time.Second, 30 * time.Second, 1500 * time.Millisecond, time.Minute, time.Second + 1} {
			b := r.bound(context.Background(), d)
			began := time.Now()
			context.AfterFunc(b, func() {
				if took := time.Since(began); took != d {
					t.Errorf("%d: %v after %v", i, d, took)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Until(start.Add(2 * time.Hour)))
		rests(t, r)
	})
}

func TestOneThatIsStoppedIsOverAndCallsNobodyLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRing(time.Now)
		first, second := r.bound(context.Background(), time.Second), r.bound(context.Background(), time.Second)
		var calls atomic.Int32
		stop := context.AfterFunc(first, func() { calls.Add(1) })
		if !stop() || stop() {
			t.Error("it was not to be stopped, or twice")
		}
		context.AfterFunc(second, func() { calls.Add(10) })
		first.Stop()
		first.Stop()
		if first.Err() != context.Canceled || second.Err() != nil {
			t.Error(first.Err(), second.Err())
		}
		<-first.Done()
		late := context.AfterFunc(first, func() { calls.Add(100) })
		synctest.Wait()
		if late() || calls.Load() != 100 {
			t.Errorf("%d", calls.Load())
		}
		time.Sleep(2 * time.Second)
		if calls.Load() != 110 || second.Err() != context.DeadlineExceeded {
			t.Errorf("%d, %v", calls.Load(), second.Err())
		}
	})
}

func TestItEndsWithItsParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		r := newRing(time.Now)
		parent, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, 7), time.Second)
		defer cancel()
		b := r.bound(parent, time.Minute)
		if at, ok := b.Deadline(); !ok || time.Until(at) != time.Second || b.Value(key{}) != 7 {
			t.Error(at, ok, b.Value(key{}))
		}
		child, cancelChild := context.WithCancel(b)
		defer cancelChild()
		<-child.Done()
		if b.Err() != context.DeadlineExceeded || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Error(b.Err(), child.Err())
		}
		cancel()
		over := r.bound(parent, time.Minute)
		<-over.Done()
		if over.Err() != context.DeadlineExceeded {
			t.Error(over.Err())
		}
	})
}

func TestAStandstillIsToldAndOnlyToThoseWhoWereThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var clock standing
		r := newRing(clock.now)
		b := r.bound(context.Background(), 32*time.Second) // so in steps of a second
		time.Sleep(1500 * time.Millisecond)
		clock.still(10 * time.Second)
		late := r.bound(context.Background(), 32*time.Second)
		if missed := b.Missed(); missed < 9*time.Second || missed > 10*time.Second {
			t.Errorf("at once: %v", missed)
		}
		time.Sleep(time.Second)
		if missed := b.Missed(); missed < 9*time.Second || missed > 10*time.Second {
			t.Errorf("after the next step: %v", missed)
		}
		if missed := late.Missed(); missed != 0 {
			t.Errorf("of before: %v", missed)
		}
		clock.still(time.Hour)
		<-b.Done()
		if missed := b.Missed(); missed < time.Hour+8*time.Second || missed > time.Hour+10*time.Second {
			t.Errorf("at its end: %v", missed)
		}
		b.Stop()
		late.Stop()
	})
}

func (r *ring) began() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.under.began
}

func TestATimerIsNotSetForEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRing(time.Now)
		steps := 0
		for range 1000 {
			before := r.began()
			r.bound(context.Background(), 32*time.Second).Stop()
			if r.began() != before {
				steps++
			}
			time.Sleep(time.Millisecond)
		}
		if steps > 1 {
			t.Errorf("%d steps in a second", steps)
		}
		rests(t, r)
	})
}

func TestABoundOfAContextThatIsOverIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		b := Bound(ctx, time.Hour)
		select {
		case <-b.Done():
		default:
			t.Fatal("it is not done")
		}
		if b.Err() != context.Canceled {
			t.Fatal(b.Err())
		}
		b.Stop()
	}
}
