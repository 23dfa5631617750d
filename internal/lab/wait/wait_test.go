package wait

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAWaitThatIsEndedSaysWhy(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := Sleep(ctx, time.Minute); err != why {
		t.Error(err)
	}
	if err := For(ctx, make(chan int)); err != why {
		t.Error(err)
	}
}

func TestAWaitThatIsNotEndedSucceeds(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if err := Sleep(t.Context(), 20*time.Millisecond); err != nil || time.Since(start) < 20*time.Millisecond {
		t.Error(err, time.Since(start))
	}
	c := make(chan int, 1)
	c <- 1
	if err := For(t.Context(), c); err != nil {
		t.Error(err)
	}
}
