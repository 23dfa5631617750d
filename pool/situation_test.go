package pool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/health"
)

// waitScene is a pool named orders in which an Acquire fails.
type waitScene struct {
	*testing.T
	e *endpoint
	p *Pool[*fakeConn]
}

// wait is an Acquire that gives up after a time.
func (s waitScene) wait(d time.Duration) error {
	ctx, cancel := context.WithTimeout(s.Context(), d)
	defer cancel()
	_, err := s.p.Acquire(ctx)
	return err
}

// silence has the one connection die after three seconds of silence.
func (s waitScene) silence() { s.e.all()[0].kill(health.KeepAliveTimeout) }

// others has so many callers wait for as long as the test lasts.
func (s waitScene) others(n int) {
	ctx, cancel := context.WithCancel(s.Context())
	for range n {
		go func() { _, _ = s.p.Acquire(ctx) }()
	}
	synctest.Wait()
	s.Cleanup(cancel)
}

func TestTheErrorOfAnAcquireTellsHowThingsAre(t *testing.T) {
	t.Parallel()
	down := []error{ErrUnavailable, context.DeadlineExceeded}
	for name, test := range map[string]struct {
		change func(c *Config[*fakeConn])
		run    func(s waitScene) error
		want   string
		is     []error // and none of the others
	}{
		"all are in use": {func(c *Config[*fakeConn]) { c.MaxConns = 1 }, func(s waitScene) error {
			defer acquire(s.T, s.p).Release()
			s.others(2)
			return s.wait(time.Second)
		}, "pool orders: 1 of 1 in use, 3 waiting: context deadline exceeded", []error{context.DeadlineExceeded}},
		"a dial is under way": {nil, func(s waitScene) error {
			defer acquire(s.T, s.p).Release()
			s.e.setDelay(time.Hour)
			return s.wait(time.Second)
		}, "pool orders: 1 of 2 in use, 1 dialing, 1 waiting: context deadline exceeded", []error{context.DeadlineExceeded}},
		"the endpoint takes no more": {func(c *Config[*fakeConn]) { c.CheckTimeout = time.Minute }, func(s waitScene) error {
			defer acquire(s.T, s.p).Release()
			s.e.setRefuse(errFull)
			return s.wait(2500 * time.Millisecond)
		}, "pool orders: 1 of 2 in use, 1 waiting, attempt 2, next in 0.5 s: context deadline exceeded: last dial: too many connections", []error{context.DeadlineExceeded}},
		"it has no name and its caller leaves": {func(c *Config[*fakeConn]) { c.Name, c.MaxConns = "", 1 }, func(s waitScene) error {
			defer acquire(s.T, s.p).Release()
			ctx, cancel := context.WithCancel(s.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := s.p.Acquire(ctx)
			return err
		}, "pool: 1 of 1 in use, 1 waiting: context canceled", []error{context.Canceled}},
		"the first dial hangs": {nil, func(s waitScene) error {
			s.e.setDelay(time.Hour)
			return s.wait(time.Second)
		}, "pool orders: endpoint unavailable: context deadline exceeded: no dial has ended", down},
		"nothing could ever be dialled": {nil, func(s waitScene) error {
			s.e.setRefuse(errRefused)
			return s.wait(1500 * time.Millisecond)
		}, "pool orders: endpoint unavailable for 1.5 s, attempt 1, next in 0.5 s: context deadline exceeded: last dial: connection refused", append(down, errRefused)},
		"the first attempt is still to come": {nil, func(s waitScene) error {
			acquire(s.T, s.p).Release()
			s.silence()
			return s.wait(200 * time.Millisecond)
		}, "pool orders: endpoint unavailable for 3.2 s (keepalive_timeout), next in 0.8 s: context deadline exceeded: no dial has ended", down},
		"an attempt is under way": {nil, func(s waitScene) error {
			acquire(s.T, s.p).Release()
			s.e.setDelay(time.Hour)
			s.silence()
			return s.wait(1500 * time.Millisecond)
		}, "pool orders: endpoint unavailable for 4.5 s (keepalive_timeout), attempt 1 under way: context deadline exceeded: no dial has ended", down},
		"attempts fail": {nil, func(s waitScene) error {
			acquire(s.T, s.p).Release()
			s.e.setRefuse(errRefused)
			s.silence()
			return s.wait(6100 * time.Millisecond)
		}, "pool orders: endpoint unavailable for 9.1 s (keepalive_timeout), attempt 6, next in 0.9 s: context deadline exceeded: last dial: connection refused", append(down, errRefused)},
		"it does not wait": {func(c *Config[*fakeConn]) { c.FailFast = true }, func(s waitScene) error {
			acquire(s.T, s.p).Release()
			s.e.setRefuse(errRefused)
			s.silence()
			time.Sleep(90*time.Second + 100*time.Millisecond)
			return s.wait(time.Hour)
		}, "pool orders: endpoint unavailable for 93.1 s (keepalive_timeout), attempt 90, next in 0.9 s: last dial: connection refused", []error{ErrUnavailable, errRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := waitScene{t, new(endpoint), nil}
				s.p = newPool(t, s.e, func(c *Config[*fakeConn]) {
					c.Name, c.MaxConns = "orders", 2
					c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
					if test.change != nil {
						test.change(c)
					}
				})
				err := test.run(s)
				if err == nil || err.Error() != test.want {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
				for _, target := range []error{ErrUnavailable, ErrClosed, ErrTooManyWaiters, context.DeadlineExceeded, context.Canceled, errRefused} {
					if want := slices.Contains(test.is, target); errors.Is(err, target) != want {
						t.Errorf("is %v: %v", target, !want)
					}
				}
				if !SafeToRetry(err) {
					t.Error("not safe to retry")
				}
				time.Sleep(time.Minute)
				if err.Error() != test.want {
					t.Errorf("a minute later it says: %v", err)
				}
			})
		})
	}
}

// What is told of attempts is of the outage that runs.
func TestTheErrorOfAnAcquireCountsTheAttemptsOfItsOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := waitScene{t, new(endpoint), nil}
		s.p = newPool(t, s.e, func(c *Config[*fakeConn]) {
			c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
		})
		for range 3 {
			acquire(t, s.p).Release()
			s.e.setRefuse(errRefused)
			all := s.e.all()
			all[len(all)-1].kill(health.KeepAliveTimeout)
			const want = "pool: endpoint unavailable for 5.5 s (keepalive_timeout), attempt 2, next in 0.5 s: context deadline exceeded: last dial: connection refused"
			if err := s.wait(2500 * time.Millisecond); err == nil || err.Error() != want {
				t.Errorf("%v", err)
			}
			s.e.setRefuse(nil)
			time.Sleep(time.Minute)
		}
	})
}
