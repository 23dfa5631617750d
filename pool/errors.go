package pool

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by a pool that was closed or is shutting down.
	ErrClosed = errors.New("pool: closed")

	// ErrTooManyWaiters is returned by Acquire when MaxWaiters callers are
	// waiting already.
	ErrTooManyWaiters = errors.New("pool: too many callers are waiting")

	// ErrUnavailable is matched by the error of an Acquire that got nothing
	// because the endpoint cannot be reached: during an outage, or while the
	// first dial has not ended and no connection is well. The last dial's error,
	// if one has failed, is under the same error.
	ErrUnavailable = errors.New("pool: endpoint unavailable")
)

// markedError is an error that does not say itself whether anything was sent,
// or says it of something else.
type markedError struct {
	err  error
	safe bool
}

func (e *markedError) Error() string     { return e.err.Error() }
func (e *markedError) Unwrap() error     { return e.err }
func (e *markedError) SafeToRetry() bool { return e.safe }

// unsent marks an error that came before anything was sent.
func unsent(err error) error { return &markedError{err: err, safe: true} }

// SafeToRetry reports whether err, returned by Acquire or Do (or wrapping what
// was), means that not a byte of the request can have been sent, so that
// sending it again cannot run it twice. It is false for an error that does not
// say; for a request run on an acquired connection, ask [Conn.Untouched].
//
// An error says so by a method SafeToRetry() bool. Of several that err wraps or
// joins, one that says no outweighs all that say yes.
func SafeToRetry(err error) bool {
	yes, no := sayings(err)
	return yes && !no
}

// sayings looks for what says that err is safe to retry, and for what says that
// it is not, in all that err wraps.
func sayings(err error) (yes, no bool) {
	switch safe, ok := err.(interface{ SafeToRetry() bool }); {
	case isUnavailable(err): // what its dial, or PrepareAcquire, has sent was no request
		return true, false
	case ok && !safe.SafeToRetry():
		return false, true
	case ok, err == ErrClosed, err == ErrTooManyWaiters:
		yes = true
	}
	for _, inner := range unwrap(err) {
		y, n := sayings(inner)
		yes, no = yes || y, no || n
	}
	return yes, no
}

func isUnavailable(err error) bool {
	switch err.(type) {
	case *unavailableError, *prepareError:
		return true
	}
	return false
}

// unwrap returns what err wraps: nothing, an error, or several.
func unwrap(err error) []error {
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		return []error{err.Unwrap()}
	case interface{ Unwrap() []error }:
		return err.Unwrap()
	}
	return nil
}

// configError names the field of a Config that is wrong.
func configError(field string, value any, why string) error {
	return fmt.Errorf("pool: %s %v: %s", field, value, why)
}
