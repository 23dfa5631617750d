// Package notify calls a function when something happens, until it is told to
// stop, and never after.
package notify

import (
	"runtime"
	"strings"
	"sync/atomic"
)

// A Call is a function that one goroutine fires and another calls off.
type Call[T any] struct {
	f       func(T)
	stopped atomic.Bool
	turn    chan struct{} // full while f runs
}

// New returns a Call of f.
func New[T any](f func(T)) *Call[T] { return &Call[T]{f: f, turn: make(chan struct{}, 1)} }

// Fire calls the function, unless Stop came first. Calls do not overlap.
func (c *Call[T]) Fire(v T) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if !c.stopped.Load() {
		c.f(v)
	}
}

// Stop calls the function off: once Stop has returned, it does not run and
// will not. Only a Stop from within the function of some Call does not wait
// for one that is running, because that might be itself.
func (c *Call[T]) Stop() {
	c.stopped.Store(true)
	select {
	case c.turn <- struct{}{}:
	default:
		if firing() {
			return
		}
		c.turn <- struct{}{}
	}
	<-c.turn
}

// firing reports whether the calling goroutine is inside a Fire. It is asked
// only in the rare case that a Stop meets a Fire.
func firing() bool {
	pcs := make([]uintptr, 64)
	for skip := 0; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		for frames := runtime.CallersFrames(pcs[:n]); ; {
			frame, more := frames.Next()
			if strings.Contains(frame.Function, "/internal/notify.(*Call") && strings.HasSuffix(frame.Function, ".Fire") {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
