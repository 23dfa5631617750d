// Package notify calls a function when something happens, until it is told to
// stop, and never after.
package notify

import (
	"runtime"
	"slices"
	"strings"
	"sync"
)

// A Call is a function that one goroutine fires and another calls off.
type Call[T any] struct {
	f func(T)

	mu      sync.Mutex // guards what follows; f is not called under it
	queue   []T        // fired, and not begun
	running bool       // a Fire is calling f, until the queue is empty
	stopped bool

	// turn is held while running, so that Stop can wait for the end of it. It is
	// no sync.Cond: one that a goroutine of a testing/synctest bubble waits for
	// must not be woken from outside.
	turn sync.Mutex
}

// New returns a Call of f.
func New[T any](f func(T)) *Call[T] { return &Call[T]{f: f} }

// Of makes c, which is zero, a Call of f.
func (c *Call[T]) Of(f func(T)) { c.f = f }

// Fire calls the function, unless Stop came first. Calls do not overlap and
// come in the order of the Fires. While the function runs, a Fire, its own ones
// included, returns at once and leaves its call to the Fire that is under way:
// whoever needs the call to be over when Fire returns must be the only one.
func (c *Call[T]) Fire(v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	c.queue = append(c.queue, v)
	if !c.running {
		c.run()
	}
}

// run empties the queue. The caller holds c.mu. Should the function panic, what
// is left waits for the next Fire.
func (c *Call[T]) run() {
	c.turn.Lock()
	c.running = true
	defer func() {
		c.running = false
		c.turn.Unlock()
	}()
	for len(c.queue) > 0 {
		c.callNext()
	}
}

// callNext makes the first call of the queue. The caller holds c.mu, which is
// free meanwhile.
func (c *Call[T]) callNext() {
	v := c.queue[0]
	c.queue = slices.Delete(c.queue, 0, 1)
	c.mu.Unlock()
	defer c.mu.Lock()
	c.f(v)
}

// Stop calls the function off: once Stop has returned, it does not run and
// will not. Only a Stop from within the function of some Call does not wait
// for one that is running, because that might be itself.
func (c *Call[T]) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.queue = true, nil
	for c.running && !firing() {
		c.mu.Unlock()
		c.turn.Lock()
		//lint:ignore SA2001 that it is free is all
		c.turn.Unlock()
		c.mu.Lock()
	}
}

// Stopped reports whether the function was called off.
func (c *Call[T]) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
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
