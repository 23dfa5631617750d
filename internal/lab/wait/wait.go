// Package wait is about waiting that can be ended.
package wait

import (
	"context"
	"time"
)

// Sleep waits for d, or until ctx ends, and returns its cause then.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	return For(ctx, timer.C)
}

// For waits until something comes from c, or ctx ends, and returns its cause
// then.
func For[T any](ctx context.Context, c <-chan T) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c:
		return nil
	}
}
