package program

import (
	"context"
	"sync"
)

// Together runs parts of a program side by side. The first failure ends the
// context of the others and is returned, or [ErrInterrupted] if ctx has ended.
func Together(ctx context.Context, parts ...func(context.Context) error) error {
	all, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, part := range parts {
		running.Go(func() {
			if err := part(all); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return context.Cause(all)
}
