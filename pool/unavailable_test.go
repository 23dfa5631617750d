package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestAcquireSaysThatTheEndpointIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, e *endpoint, p *Pool[*fakeConn])
		want    bool
		dial    error
	}{
		"the first dial of all hangs": {func(*testing.T, *endpoint, *Pool[*fakeConn]) {}, true, nil},
		"the first dial since the silence hangs": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(0)
			acquire(t, p).Release()
			e.setDelay(time.Hour)
			e.all()[0].kill(health.KeepAliveTimeout)
		}, true, nil},
		"one that died is held still": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(0)
			c := acquire(t, p)
			t.Cleanup(c.Release)
			e.setDelay(time.Hour)
			c.Value().kill(health.Reset)
		}, true, nil},
		"the only one is suspect": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(0)
			acquire(t, p).Release()
			e.setDelay(time.Hour)
			e.all()[0].suspect.Store(true)
		}, true, nil},
		"dials fail": {func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
			e.setDelay(0)
			e.setRefuse(errRefused)
		}, true, errRefused},
		"all are in use": {func(t *testing.T, e *endpoint, p *Pool[*fakeConn]) {
			e.setDelay(0)
			t.Cleanup(acquire(t, p).Release)
			e.setDelay(time.Hour)
		}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				e.setDelay(time.Hour)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 2 })
				test.prepare(t, e, p)
				for _, end := range []error{context.DeadlineExceeded, context.Canceled} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if end == context.Canceled {
						ctx, cancel = context.WithCancel(t.Context())
						time.AfterFunc(time.Second, cancel)
					}
					_, err := p.Acquire(ctx)
					cancel()
					if errors.Is(err, ErrUnavailable) != test.want || !errors.Is(err, end) || !SafeToRetry(err) {
						t.Error(err)
					}
					if test.dial != nil && !errors.Is(err, test.dial) {
						t.Error(err)
					}
				}
			})
		})
	}
}
