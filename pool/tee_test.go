package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/internal/lab/hookstest"
)

func TestTeeCallsEveryHookInOrder(t *testing.T) {
	t.Parallel()
	hookstest.Tee(t, Tee)
}

func TestHooksThatReturnNoContextLeaveItAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		reconnects := 0
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Observer = &Observer{
				AcquireStart:   func(context.Context, AcquireStartInfo) context.Context { return nil },
				ReconnectStart: func(context.Context, ReconnectStartInfo) context.Context { return nil },
				ReconnectDone: func(ctx context.Context, _ ReconnectDoneInfo) {
					if ctx == nil {
						t.Error("no context")
					}
					reconnects++
				},
			}
		})
		e.setRefuse(errRefused)
		time.AfterFunc(10*time.Second, func() { e.setRefuse(nil) })
		acquire(t, p).Release()
		if reconnects == 0 {
			t.Error("no reconnect")
		}
	})
}
