package pool

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A PanicError is what a dial, a check, a look-up or an Acquire fails with if Dial,
// Open, Check, Reset, Resolve, PrepareAcquire or AfterRelease of the [Config]
// panicked, or ended its goroutine; or a method of a connection panicked that the pool
// calls: then the dial fails, or the connection is dead of it. It wraps nothing, not
// even a value that is an error. A panic in a hook of the [Observer] is the
// program's own.
type PanicError struct {
	Func  string // of the Config, or the method, or "Conn" for those that are called after a dial
	Value any    // what recover returned; nil if the goroutine was ended ([runtime.Goexit])
	Stack []byte // of the panic, as by [debug.Stack]
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("pool: %s ended its goroutine", e.Func)
	}
	return fmt.Sprintf("pool: %s panicked: %v", e.Func, e.Value)
}

// guard calls f, which is a function of the Config or calls it, and returns a
// [PanicError] if it does not return. f runs on a goroutine of its own: the end
// of one cannot be recovered from.
func guard(name string, f func() error) error {
	_, err := guardUntil(nil, name, func() (struct{}, error) { return struct{}{}, f() }, nil)
	return err
}

// lateAfter is how long a function of the Config may take to return after the
// end of its ctx.
const lateAfter = time.Second

// guardUntil is guard for a function that is to return once over is closed. If it
// does not within lateAfter, the error matches errLate, and late is called with
// what it returns later, unless that is an error.
func guardUntil[R any](over <-chan struct{}, name string, f func() (R, error), late func(R)) (R, error) {
	type result struct {
		value R
		err   error
	}
	done, settled := make(chan result, 1), new(atomic.Bool)
	go func() {
		var r result
		returned := false
		defer func() {
			if value := recover(); !returned {
				r.err = &PanicError{Func: name, Value: value, Stack: debug.Stack()}
			}
			if settled.CompareAndSwap(false, true) {
				done <- r
			} else if r.err == nil && late != nil {
				late(r.value)
			}
		}()
		r.value, r.err = f()
		returned = true
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-over:
	}
	timer := time.NewTimer(lateAfter)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
	}
	if settled.CompareAndSwap(false, true) {
		var none R
		return none, fmt.Errorf("pool: %s %w", name, errLate)
	}
	r := <-done
	return r.value, r.err
}

// errLate is a function of the Config that goes on after the end of its ctx.
var errLate = errors.New("has not returned a second after the end of its ctx")

var errNoConn = errors.New("pool: Dial returned no connection and no error")

// isNil reports whether conn is nil, or a pointer that is.
func isNil(conn net.Conn) bool {
	v := reflect.ValueOf(conn)
	return conn == nil || v.Kind() == reflect.Pointer && v.IsNil()
}
