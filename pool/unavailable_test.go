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
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := p.Acquire(ctx)
				if errors.Is(err, ErrUnavailable) != test.want || !errors.Is(err, context.DeadlineExceeded) || !SafeToRetry(err) {
					t.Error(err)
				}
				if test.dial != nil && !errors.Is(err, test.dial) {
					t.Error(err)
				}
			})
		})
	}
}
