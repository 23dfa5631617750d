package pool

import (
	"context"
	"errors"
	"io"

	"example.com/hale/health"
)

type idempotentKey struct{}

// Idempotent returns a context that gives the caller's word that what Do runs
// under it may run twice.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// IsIdempotent reports whether ctx has the word of [Idempotent], for who sends
// requests again by other means than Do.
func IsIdempotent(ctx context.Context) bool {
	word, _ := ctx.Value(idempotentKey{}).(bool)
	return word
}

// Do acquires a connection, runs fn on it, and releases it. If the connection
// turns out to be dead before a byte of fn's request was given to the kernel,
// fn is run again on another; under [Idempotent], also if bytes were. A
// request is never sent again in any other case, nor if fn's error comes from a
// Do inside of it that has sent something (see [SafeToRetry]). fn runs at most MaxConns+1
// times, and the wait for a connection ends with ctx. (On systems other than
// Linux and Android it is not seen what bypasses the connection's Write, as
// net.Buffers does: fn must not use it there.)
//
// If ctx ends, or a context of fn's own as its error says, and fn returns an
// error after it has sent something, a reply may still be under way, and the
// connection is closed or reset, as after a deadline. If fn panics, the connection is closed.
//
// The error is Acquire's or fn's, or wraps it; see [SafeToRetry]. fn must not keep the value
// beyond its return.
func (p *Pool[T]) Do(ctx context.Context, fn func(ctx context.Context, value T) error) error {
	word := IsIdempotent(ctx)
	untouched := true // no try has written a byte
	for tries := 0; ; tries++ {
		conn, err := p.Acquire(ctx)
		if err != nil {
			return mark(err, untouched && SafeToRetry(err))
		}
		value, lasts := conn.value()
		if !lasts { // Shutdown was faster
			return mark(ErrClosed, untouched)
		}
		end, err := doOn(ctx, conn, value, fn)
		untouched = untouched && end.untouched
		switch {
		case err == nil:
			return nil
		case end.dead && (end.untouched || word) && ctx.Err() == nil && tries < p.dialer.most():
			p.stats.retried()
		default:
			return mark(err, untouched)
		}
	}
}

// doEnd is what became of the connection on which fn failed.
type doEnd struct {
	dead      bool // it died, and fn's error says so
	untouched bool // before a byte was written
}

// mark makes SafeToRetry tell the truth of an error. It says no in so many
// words, so that a Do around this one knows.
func mark(err error, untouched bool) error {
	if yes, no := sayings(err); no || yes && untouched {
		return err
	}
	return &markedError{err: err, safe: untouched}
}

// doOn runs fn on conn and releases it. A panic of fn closes it.
func doOn[T any](ctx context.Context, conn Conn[T], value T, fn func(context.Context, T) error) (end doEnd, err error) {
	defer conn.Close() // does nothing after Release
	if err = fn(ctx, value); err == nil {
		conn.Release()
		return end, nil
	}
	untouched := conn.Untouched()
	_, sent := sayings(err) // by a Do inside of fn
	end.untouched = untouched && !sent
	// TLS makes an io.ErrUnexpectedEOF of a close in the middle of a record.
	end.dead = (health.IsDead(err) || errors.Is(err, io.ErrUnexpectedEOF)) && conn.broken()
	if !untouched && (ctx.Err() != nil || endedByContext(err)) {
		conn.abandon()
		return end, err
	}
	conn.Release()
	return end, err
}

// errEnded is a use that had ended before fn could begin.
var errEnded = errors.New("pool: the use of the connection has ended")

// endedByContext reports whether err says that a context has ended.
func endedByContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Do runs fn on the connection, once, and ends its use, as [Pool.Do] does with
// those that it acquires: for who acquires by other means, such as from one of
// several pools. again reports whether Pool.Do would run fn again, on another
// connection: this one turned out to be dead, and nothing was sent or ctx has the
// word of [Idempotent]. The error is fn's or wraps it; for SafeToRetry see Pool.Do.
// If the use has ended, as by the end of the pool, fn is not run, and again is true
// with an error for which SafeToRetry holds.
func (c Conn[T]) Do(ctx context.Context, fn func(ctx context.Context, value T) error) (again bool, err error) {
	value, lasts := c.value()
	if !lasts {
		return ctx.Err() == nil, unsent(errEnded)
	}
	end, err := doOn(ctx, c, value, fn)
	if err == nil {
		return false, nil
	}
	return end.dead && (end.untouched || IsIdempotent(ctx)) && ctx.Err() == nil, mark(err, end.untouched)
}
