package cluster

import (
	"context"
	"time"

	"example.com/hale/internal/awake"
	"example.com/hale/pool"
)

// Do acquires a connection by the wish of ctx, runs fn on it, and releases it. If the
// connection turns out to be dead before a byte of fn's request was given to the
// kernel, fn is run again, on another endpoint if there is one; under
// [pool.Idempotent], also if bytes were, and if Config.Demoted says so of fn's error:
// then on the new primary. fn runs at most MaxConns+1 times, and no more than
// Config.Retry allows. In all else it is as [pool.Pool.Do].
//
// How it went counts for Config.Ejection. The error is Acquire's or fn's, or wraps it;
// see [pool.SafeToRetry]. fn must not keep the value beyond its return.
func (c *Cluster[T]) Do(ctx context.Context, fn func(ctx context.Context, value T) error) error {
	c.budget.call()
	untouched := true // no try has written a byte
	var avoid set[T]
	for tries := 0; ; tries++ {
		conn, err := c.acquire(ctx, avoid)
		if err != nil {
			return mark(err, untouched)
		}
		m := conn.ticket.member.Load()
		again, err := c.doOn(ctx, conn, fn)
		if err == nil {
			return nil
		}
		untouched = untouched && pool.SafeToRetry(err)
		if !again || tries >= c.config.MaxConns {
			return mark(err, untouched)
		}
		if !c.budget.retry() {
			c.stats.denied.Add(1)
			return mark(err, untouched)
		}
		c.stats.retries.Add(1)
		if avoid == nil {
			avoid = make(set[T])
		}
		avoid[m] = true
	}
}

// mark makes SafeToRetry tell the truth of the tries before as well.
func mark(err error, untouched bool) error {
	if pool.SafeToRetry(err) == untouched {
		return err
	}
	return &markedError{err, untouched}
}

// doOn runs fn on a connection and ends its use. again is whether it may be run
// again.
func (c *Cluster[T]) doOn(ctx context.Context, conn Conn[T], fn func(context.Context, T) error) (again bool, err error) {
	t := conn.ticket
	m := t.member.Load()
	conn.end(func() {
		took := c.startClock()
		defer took() // also if fn panics
		if again, err = conn.conn.Do(ctx, c.watching(m, t.knew, fn)); err != nil {
			return
		}
		c.praise(m, took())
		if t.wished == Primary && c.failing.Load() {
			c.endFailover(m)
		}
	})
	if err != nil {
		again = c.failedOn(ctx, m, err, again) // without a place: it may tell the Observer
	}
	return again, err
}

// startClock begins to take the time of a call, if slowness counts: stop returns it, or
// 0 if this process stood still meanwhile.
func (c *Cluster[T]) startClock() (stop func() time.Duration) {
	if c.config.Ejection.Slow == 0 {
		return func() time.Duration { return 0 }
	}
	began, span := time.Now(), awake.Begin(slowSweep)
	return func() time.Duration {
		if span.Stop() > 0 {
			return 0
		}
		return max(time.Since(began), 1)
	}
}

// failedOn takes note of a request that failed.
func (c *Cluster[T]) failedOn(ctx context.Context, m *member[T], err error, again bool) bool {
	demoted := c.isDemoted(err)
	if demoted {
		c.demoted(m)
	} else if ctx.Err() != context.Canceled { // the caller's own end shows nothing
		c.blame(m, err, died(err))
	}
	return again || demoted && ctx.Err() == nil && pool.IsIdempotent(ctx)
}

// watching is fn, and what the connection has heard in it of the role of m; knew is
// what it knew before.
func (c *Cluster[T]) watching(m *member[T], knew Role, fn func(context.Context, T) error) func(context.Context, T) error {
	if c.config.RoleOf == nil {
		return fn
	}
	return func(ctx context.Context, value T) error {
		err := fn(ctx, value)
		if role, roleErr := c.callRoleOf(value); roleErr == nil && role != Any && role != knew {
			c.hear(m, role)
		}
		return err
	}
}
