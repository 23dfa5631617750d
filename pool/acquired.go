package pool

import (
	"context"
	"log/slog"
	"time"

	"example.com/hale/internal/hooks"
	"example.com/hale/internal/logline"
)

// AcquiredInfo is how an Acquire ended.
type AcquiredInfo struct {
	Wait time.Duration // 0 if it was served, or failed, at once
	Err  error
}

func (i AcquiredInfo) line() logline.Line {
	return logline.Line{}.Duration("hale.acquire.wait", i.Wait).Error("error.message", i.Err)
}

func (i AcquiredInfo) String() string       { return i.line().String() }
func (i AcquiredInfo) LogValue() slog.Value { return i.line().Value() }

// told returns what Acquire does, when the Observer has been told of it. If that
// panics, the connection goes back.
func (p *Pool[T]) told(ctx context.Context, c Conn[T], wait time.Duration, err error) (Conn[T], error) {
	if !p.tellsAll {
		return c, err
	}
	returned := false
	defer func() {
		if !returned {
			c.Release()
		}
	}()
	hooks.CallWithContext(ctx, p.config.Observer.Acquired, AcquiredInfo{Wait: wait, Err: err})
	returned = true
	return c, err
}
