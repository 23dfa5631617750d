package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// ask sends a request of one byte, which the far end of c takes.
func ask(c *fakeConn) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.far.Read(make([]byte, 1))
	}()
	_, err := c.Write([]byte{1})
	if err != nil {
		c.far.SetDeadline(netconn.Past)
	}
	<-done
	c.far.SetDeadline(time.Time{})
	return err
}

func TestDoRepeatsOnlyWhatWasNotSent(t *testing.T) {
	t.Parallel()
	errReply := errors.New("reply: no such key")
	for name, test := range map[string]struct {
		fn    func(c *fakeConn) error
		word  bool
		runs  int
		err   error // what Do returns
		safe  bool
		cause health.Cause
	}{
		"all well": {fn: ask, runs: 1},
		"an answer that is an error": {fn: func(c *fakeConn) error {
			_ = ask(c)
			return errReply
		}, runs: 1, err: errReply},
		"an error before anything was sent": {fn: func(*fakeConn) error { return errReply }, runs: 1, err: errReply, safe: true},
		"dead before anything was sent": {fn: func(c *fakeConn) error {
			if c.id == 1 {
				c.kill(health.Reset)
			}
			return ask(c)
		}, runs: 2},
		"closed in the middle of a record": {fn: func(c *fakeConn) error {
			if c.id == 1 {
				c.kill(health.Reset)
				return io.ErrUnexpectedEOF // as crypto/tls says
			}
			return ask(c)
		}, runs: 2},
		"a message cut short on a connection that lives": {fn: func(c *fakeConn) error {
			_ = ask(c)
			return io.ErrUnexpectedEOF
		}, word: true, runs: 1, err: io.ErrUnexpectedEOF},
		"dead after something was sent": {fn: func(c *fakeConn) error {
			if err := ask(c); err != nil {
				return err
			}
			c.kill(health.Reset)
			_, err := c.Read(make([]byte, 1))
			return err
		}, runs: 1, cause: health.Reset},
		"dead after something was sent, idempotent": {fn: func(c *fakeConn) error {
			if err := ask(c); err != nil || c.id > 1 {
				return err
			}
			c.kill(health.Reset)
			_, err := c.Read(make([]byte, 1))
			return err
		}, word: true, runs: 2},
		"always dead before anything was sent": {fn: func(c *fakeConn) error {
			c.kill(health.Reset)
			return ask(c)
		}, runs: 5, cause: health.Reset, safe: true},
		"always dead, idempotent": {fn: func(c *fakeConn) error {
			_ = ask(c)
			c.kill(health.Reset)
			return c.Err()
		}, word: true, runs: 5, cause: health.Reset},
		"the death of something else": {fn: func(*fakeConn) error { return fmt.Errorf("upstream: %w", io.EOF) }, runs: 1, err: io.EOF, safe: true},
		"another pool is closed, but something was sent": {fn: func(c *fakeConn) error {
			_ = ask(c)
			return fmt.Errorf("inner: %w", ErrClosed)
		}, runs: 1, err: ErrClosed},
		"wrapped": {fn: func(c *fakeConn) error {
			if c.id == 1 {
				c.kill(health.SendTimeout)
			}
			if err := ask(c); err != nil {
				return fmt.Errorf("query: %w", err)
			}
			return nil
		}, runs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, nil)
				ctx := t.Context()
				if test.word {
					ctx = Idempotent(ctx)
				}
				runs := 0
				err := p.Do(ctx, func(_ context.Context, c *fakeConn) error {
					runs++
					return test.fn(c)
				})
				if runs != test.runs {
					t.Errorf("ran %d times", runs)
				}
				wantErr := test.err != nil || test.cause != health.Unknown
				if (err != nil) != wantErr || test.err != nil && !errors.Is(err, test.err) || test.cause != health.Unknown && health.Classify(err) != test.cause {
					t.Errorf("%v", err)
				}
				if SafeToRetry(err) != test.safe {
					t.Errorf("safe to retry: %v", !test.safe)
				}
				if st := p.Stats(); st.Retries != int64(runs-1) || st.InUse != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestDoStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.StableAfter = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := p.Do(ctx, func(_ context.Context, c *fakeConn) error {
			runs++
			c.kill(health.Reset)
			cancel()
			return ask(c)
		})
		if runs != 1 || health.Classify(err) != health.Reset {
			t.Errorf("%d runs, %v", runs, err)
		}
		err = p.Do(ctx, func(context.Context, *fakeConn) error { t.Error("ran"); return nil })
		if !errors.Is(err, context.Canceled) || !SafeToRetry(err) {
			t.Error(err)
		}
	})
}

func TestDoDoesNotRepeatAnAcquireThatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		e.setRefuse(io.EOF) // which looks like a death
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.FailFast = true })
		err := p.Do(Idempotent(t.Context()), func(context.Context, *fakeConn) error { return nil })
		if !errors.Is(err, ErrUnavailable) || !SafeToRetry(err) {
			t.Error(err)
		}
		if st := p.Stats(); st.Retries != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The last try's error is not all there is to tell.
func TestWhatWasSentBeforeIsNotSafeToRetry(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(e *endpoint){
		"nothing to be had":        func(e *endpoint) { e.setRefuse(errRefused) },
		"a try that sends nothing": func(*endpoint) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.FailFast = true })
				runs := 0
				err := p.Do(Idempotent(t.Context()), func(_ context.Context, c *fakeConn) error {
					if runs++; runs > 1 {
						return errSick
					}
					if err := ask(c); err != nil {
						return err
					}
					after(e)
					c.kill(health.Reset)
					_, err := c.Read(make([]byte, 1))
					return err
				})
				if err == nil || SafeToRetry(err) || errors.Is(err, ErrUnavailable) != (runs == 1) {
					t.Errorf("%d runs, %v, safe: %v", runs, err, SafeToRetry(err))
				}
			})
		})
	}
}

func TestARequestThatWasAbandonedTakesItsConnectionWithIt(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"without Reset": false, "with Reset": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					if reset {
						c.Reset = e.wipe
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				err := p.Do(ctx, func(ctx context.Context, c *fakeConn) error {
					_ = ask(c)
					cancel() // and does not wait for the reply
					return ctx.Err()
				})
				if !errors.Is(err, context.Canceled) || SafeToRetry(err) {
					t.Error(err)
				}
				synctest.Wait()
				if _, wipes := e.asked(); e.all()[0].closed.Load() == reset || (wipes == 1) != reset {
					t.Errorf("closed: %v, %d resets", e.all()[0].closed.Load(), wipes)
				}
			})
		})
	}
}

func TestAContextOfFnsOwnAbandonsWhatItEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fn   func(ctx context.Context, c *fakeConn) error
		gone bool
	}{
		"a deadline under way": {func(ctx context.Context, c *fakeConn) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_ = ask(c)
			<-ctx.Done() // no reply
			return fmt.Errorf("query: %w", ctx.Err())
		}, true},
		"a cancellation under way": {func(ctx context.Context, c *fakeConn) error {
			ctx, cancel := context.WithCancelCause(ctx)
			_ = ask(c)
			cancel(errSick)
			return errors.Join(errSick, ctx.Err())
		}, true},
		"before anything was sent": {func(context.Context, *fakeConn) error { return context.DeadlineExceeded }, false},
		"another error":            {func(_ context.Context, c *fakeConn) error { return errors.Join(ask(c), errSick) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, nil)
				err := p.Do(t.Context(), test.fn)
				synctest.Wait()
				if err == nil || e.all()[0].closed.Load() != test.gone {
					t.Errorf("%v, closed: %v", err, e.all()[0].closed.Load())
				}
			})
		})
	}
}

// A pool that is closed between the Acquire and fn.
func TestDoDoesNotRunOnNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p *Pool[*fakeConn]
		p = newPool(t, new(endpoint), func(c *Config[*fakeConn]) {
			c.Observer = &Observer{Acquired: func(context.Context, AcquiredInfo) {
				ended, end := context.WithCancel(context.Background())
				end()
				go func() { _, _ = p.Shutdown(ended) }()
				time.Sleep(time.Second)
			}}
		})
		err := p.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
			t.Errorf("it ran on %v", c)
			return nil
		})
		if !errors.Is(err, ErrClosed) || !SafeToRetry(err) {
			t.Error(err)
		}
	})
}

func TestDoOnAConnWhoseUseHasEndedRunsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, new(endpoint), nil)
		c := acquire(t, p)
		c.Release()
		again, err := c.Do(t.Context(), func(_ context.Context, c *fakeConn) error {
			t.Errorf("it ran on %v", c)
			return nil
		})
		if !again || !SafeToRetry(err) {
			t.Errorf("%v, %v", again, err)
		}
	})
}

func TestAPanicInDoClosesTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		func() {
			defer func() {
				if recover() != "oops" {
					t.Error("no panic")
				}
			}()
			_ = p.Do(t.Context(), func(context.Context, *fakeConn) error { panic("oops") })
		}()
		synctest.Wait()
		if st := p.Stats(); st.Conns != 0 || st.Recycled[ReasonClosed] != 1 || !e.all()[0].closed.Load() {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhatSafeToRetrySays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false},
		{context.Canceled, false},
		{ErrClosed, true},
		{ErrTooManyWaiters, true},
		{fmt.Errorf("wrapped: %w", ErrClosed), true},
		{&unavailableError{dial: errRefused}, true},
		{fmt.Errorf("wrapped: %w", &unavailableError{dial: errRefused}), true},
		{unsent(io.EOF), true},
		{&markedError{err: ErrClosed}, false},
		{&health.DeadError{Cause: health.Reset}, false},
		{errors.Join(io.EOF, ErrClosed), true},
		{errors.Join(ErrClosed, &markedError{err: io.EOF}), false},
		{errors.Join(io.EOF, fmt.Errorf("%w, %w", unsent(io.EOF), &markedError{err: io.EOF})), false},
		{unsent(fmt.Errorf("wrapped: %w", &markedError{err: io.EOF})), false},
		{&unavailableError{dial: &markedError{err: io.EOF}}, true}, // the request was no part of the dial
		{fmt.Errorf("%w, %w", &unavailableError{dial: errRefused}, &markedError{err: io.EOF}), false},
		{wrapsNil{}, false},
	} {
		if got := SafeToRetry(test.err); got != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}

// wrapsNil is an error that may wrap another, but does not.
type wrapsNil struct{}

func (wrapsNil) Error() string { return "alone" }
func (wrapsNil) Unwrap() error { return nil }

func TestADoInsideOfAnotherHasItsSayInWhatIsSafeToRetry(t *testing.T) {
	t.Parallel()
	type on func(c *fakeConn) error
	sends := func(err error) on {
		return func(c *fakeConn) error { return errors.Join(ask(c), err) }
	}
	fails := func(err error) on { return func(*fakeConn) error { return err } }
	dies := func(c *fakeConn) error {
		_ = ask(c)
		c.kill(health.Reset)
		return c.Err()
	}
	for name, test := range map[string]struct {
		outer, inner on // before the inner Do, and in it
		around       func(c *fakeConn, err error) error
		word         bool
		safe         bool
		runs         int // of outer's fn
	}{
		"nothing was sent":             {inner: fails(errSick), safe: true, runs: 1},
		"the inner one sent":           {inner: sends(errSick), runs: 1},
		"the inner one sent, and died": {inner: dies, runs: 1},
		"the outer one sent":           {outer: sends(nil), inner: fails(errSick), runs: 1},
		"both sent":                    {outer: sends(nil), inner: sends(errSick), runs: 1},
		"the inner one sent, joined with what is safe": {inner: sends(errSick), around: func(_ *fakeConn, err error) error {
			return errors.Join(ErrClosed, fmt.Errorf("inner: %w", err))
		}, runs: 1},
		"the inner one sent, and the outer one's connection died": {inner: sends(errSick), around: killed, runs: 1},
		"the same under Idempotent":                               {inner: sends(errSick), around: killed, word: true, runs: 5},
		"nothing was sent, and the outer one's connection died":   {inner: fails(errSick), around: killed, safe: true, runs: 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, other := newPool(t, new(endpoint), nil), newPool(t, new(endpoint), nil)
				ctx := t.Context()
				if test.word {
					ctx = Idempotent(ctx)
				}
				runs := 0
				err := p.Do(ctx, func(_ context.Context, c *fakeConn) error {
					runs++
					if test.outer != nil {
						_ = test.outer(c)
					}
					err := other.Do(t.Context(), func(_ context.Context, c *fakeConn) error { return test.inner(c) })
					if test.around != nil {
						err = test.around(c, err)
					}
					return err
				})
				if err == nil || SafeToRetry(err) != test.safe || runs != test.runs {
					t.Errorf("%d runs, %v, safe: %v", runs, err, SafeToRetry(err))
				}
			})
		})
	}
}

// killed adds the death of c to err.
func killed(c *fakeConn, err error) error {
	c.kill(health.Reset)
	return errors.Join(err, c.Err())
}
