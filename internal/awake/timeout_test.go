package awake

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAProcessThatIsAwakeSeesAnOrdinaryTimeout(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{1, 3, time.Microsecond, time.Millisecond, 7*time.Millisecond + 1, 400 * time.Millisecond, time.Second, time.Hour + 3} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ctx, cancel := WithTimeout(t.Context(), d)
			defer cancel()
			<-ctx.Done()
			if took := time.Since(start); took != d || ctx.Err() != context.DeadlineExceeded || Missed(ctx) != 0 {
				t.Errorf("%v: %v after %v, %v missed", d, ctx.Err(), took, Missed(ctx))
			}
		})
	}
}

func TestAStandstillDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                     string
		at, still                time.Duration
		left                     time.Duration // from at to the end, by timers
		missed, missedBeforeTick time.Duration
	}{
		// Of a second, so in steps of 125 ms with a slack of 131.25 ms.
		{"not late enough", 10 * time.Millisecond, 131 * time.Millisecond, 990*time.Millisecond - 131*time.Millisecond, 0, 0},
		{"in the first step", 10 * time.Millisecond, 3 * time.Second, 1052500 * time.Microsecond, 3 * time.Second, 2885 * time.Millisecond},
		{"in the last step", 990 * time.Millisecond, time.Hour, 72500 * time.Microsecond, time.Hour, time.Hour - 10*time.Millisecond},
		{"at the end of a step", 125*time.Millisecond - 1, 3 * time.Second, 937500*time.Microsecond + 1, 3 * time.Second, 3*time.Second - 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s standing
				ctx, cancel := withTimeout(t.Context(), time.Second, s.now)
				defer cancel()
				time.Sleep(test.at)
				s.still(test.still)
				if got := Missed(ctx); got != test.missedBeforeTick {
					t.Errorf("%v missed at once, want %v", got, test.missedBeforeTick)
				}
				start := time.Now()
				<-ctx.Done()
				if took := time.Since(start); took != test.left || Missed(ctx) != test.missed {
					t.Errorf("%v later, %v missed; want %v, %v", took, Missed(ctx), test.left, test.missed)
				}
			})
		})
	}
}

func TestAProcessThatIsStarvedComesToTheEndToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s standing
		ctx, cancel := withTimeout(t.Context(), time.Second, s.now)
		defer cancel()
		start := time.Now()
		for ctx.Err() == nil && time.Since(start) < time.Minute {
			s.still(time.Second)
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Error("not before", took)
		}
	})
}

// derived is everything that package context makes of a context.
func derived(ctx context.Context) (all []context.Context, cancel func()) {
	type key struct{}
	child, cancelChild := context.WithCancel(ctx)
	timed, cancelTimed := context.WithTimeout(ctx, time.Hour)
	valued := context.WithValue(child, key{}, 1)
	ours, cancelOurs := WithTimeout(valued, time.Hour)
	last, cancelLast := context.WithCancelCause(ours)
	return []context.Context{ctx, child, timed, valued, ours, last}, func() {
		cancelLast(nil)
		cancelOurs()
		cancelTimed()
		cancelChild()
	}
}

func TestWhatDerivesFromItEndsWithItsError(t *testing.T) {
	t.Parallel()
	own := errors.New("the parent's own")
	for name, test := range map[string]struct {
		end        func(cancel func(), cancelParent context.CancelCauseFunc)
		err, cause error
	}{
		"the time":   {func(func(), context.CancelCauseFunc) { time.Sleep(time.Second) }, context.DeadlineExceeded, context.DeadlineExceeded},
		"cancel":     {func(cancel func(), _ context.CancelCauseFunc) { cancel() }, context.Canceled, context.Canceled},
		"its parent": {func(_ func(), cancel context.CancelCauseFunc) { cancel(own) }, context.Canceled, own},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parent, cancelParent := context.WithCancelCause(t.Context())
				defer cancelParent(nil)
				ctx, cancel := WithTimeout(parent, time.Second)
				defer cancel()
				all, cancelAll := derived(ctx)
				defer cancelAll()
				called := make(chan struct{})
				context.AfterFunc(ctx, func() { close(called) })
				test.end(cancel, cancelParent)
				synctest.Wait()
				for i, ctx := range all {
					if ctx.Err() != test.err || context.Cause(ctx) != test.cause {
						t.Errorf("%d: %v because of %v", i, ctx.Err(), context.Cause(ctx))
					}
					<-ctx.Done()
				}
				<-called
			})
		})
	}
}

func TestWhatDerivesFromItWhenItHasEndedHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := withTimeout(t.Context(), time.Second, time.Now)
		cancel()
		all, cancelAll := derived(ctx)
		defer cancelAll()
		called := make(chan struct{})
		if stop := ctx.AfterFunc(func() { close(called) }); stop() {
			t.Error("stopped what runs")
		}
		<-called
		for i, ctx := range all {
			if ctx.Err() != context.Canceled {
				t.Errorf("%d: %v", i, ctx.Err())
			}
		}
	})
}

func TestItIsOverAtOnceWithoutTimeOrWithAParentThatIsOver(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		parent context.Context
		d      time.Duration
		want   error
	}{
		"zero":             {t.Context(), 0, context.DeadlineExceeded},
		"negative":         {t.Context(), math.MinInt64, context.DeadlineExceeded},
		"the parent":       {over, time.Hour, context.Canceled},
		"zero, the parent": {over, 0, context.Canceled},
	} {
		ctx, cancel := WithTimeout(test.parent, test.d)
		if ctx.Err() != test.want {
			t.Errorf("%s: %v", name, ctx.Err())
		}
		cancel()
	}
}

func TestTheOnlyDeadlineIsTheParents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if deadline, ok := ctx.Deadline(); ok {
			t.Error(deadline)
		}
		start := time.Now()
		parent, cancelParent := context.WithTimeout(t.Context(), time.Minute)
		defer cancelParent()
		ctx, cancel = WithTimeout(parent, time.Duration(math.MaxInt64))
		defer cancel()
		if deadline, ok := ctx.Deadline(); !ok || deadline != start.Add(time.Minute) {
			t.Error(deadline)
		}
		<-ctx.Done()
		if ctx.Err() != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Error(ctx.Err(), time.Since(start))
		}
	})
}

func TestAFunctionThatIsTakenBackIsNotCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := withTimeout(t.Context(), time.Second, time.Now)
		var calls atomic.Int32
		stop := ctx.AfterFunc(func() { calls.Add(1) })
		other := context.AfterFunc(ctx, func() { calls.Add(1) })
		if !stop() || stop() || !other() {
			t.Error("not stopped, or twice")
		}
		cancel()
		synctest.Wait()
		if n := calls.Load(); n != 0 || len(ctx.calls) != 0 {
			t.Errorf("%d calls, %d kept", n, len(ctx.calls))
		}
	})
}

func TestNothingIsMissedUnderAnyOtherContext(t *testing.T) {
	t.Parallel()
	if d := Missed(t.Context()); d != 0 {
		t.Error(d)
	}
}

func TestADerivedContextTellsWhatWasMissedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s standing
		ctx, cancel := withTimeout(t.Context(), time.Second, s.now)
		all, cancelAll := derived(ctx)
		defer cancelAll()
		s.still(time.Minute)
		cancel()
		s.still(time.Minute)
		if got := Missed(all[1]); got != time.Minute-125*time.Millisecond {
			t.Error(got)
		}
	})
}
