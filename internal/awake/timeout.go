package awake

import (
	"context"
	"sync"
	"time"
)

// stepsOf is into how many steps a time limit is cut.
const stepsOf = 8

// timeout is a context that ends after a time awake. Its parent has its
// deadline and its values.
type timeout struct {
	context.Context
	done chan struct{}
	step time.Duration

	mu     sync.Mutex // guards what follows; nobody is called under it
	err    error      // nil until the end
	left   time.Duration
	missed time.Duration
	under  step // way
	timer  *time.Timer
	forget func() bool          // the parent
	calls  map[*func()]struct{} // to be made at the end
}

// WithTimeout returns a context that ends with [context.DeadlineExceeded] when d
// has passed that this process was awake for; at once if d is not positive. It
// ends before that with parent, with parent's error, and with
// [context.Canceled] when cancel is called, which has to be called to release
// what the context holds. On a process that never stands still it is as
// [context.WithTimeout], to the nanosecond.
//
// It has no deadline but the parent's. For whoever copies a deadline into a
// connection would have the connection fail after a standstill all the same:
// bind the connection to Done instead.
//
// A process that is awake for short moments only comes to the end as well: half
// of every step counts, however late it is.
func WithTimeout(parent context.Context, d time.Duration) (ctx context.Context, cancel context.CancelFunc) {
	return withTimeout(parent, d, time.Now)
}

func withTimeout(parent context.Context, d time.Duration, now clock) (*timeout, context.CancelFunc) {
	c := &timeout{
		Context: parent, done: make(chan struct{}), calls: make(map[*func()]struct{}),
		step: max(d/stepsOf, shortest), left: d,
	}
	c.begin(now)
	switch err := parent.Err(); {
	case err != nil:
		c.end(err)
	case d <= 0:
		c.end(context.DeadlineExceeded)
	}
	return c, func() { c.end(context.Canceled) }
}

func (c *timeout) begin(now clock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under = now.step(min(c.step, c.left))
	c.timer = time.AfterFunc(c.under.planned, c.tick)
	c.forget = context.AfterFunc(c.Context, func() { c.end(c.Context.Err()) })
}

// tick ends a step, and the context with the last one.
func (c *timeout) tick() {
	if c.pass() {
		c.end(context.DeadlineExceeded)
	}
}

// pass reckons with the step under way and begins the next, or reports that the
// time is over.
func (c *timeout) pass() (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.reckon()
	if c.left <= 0 {
		return true
	}
	c.timer.Reset(c.under.planned)
	return false
}

// reckon begins a step, in place of the one under way. The caller holds c.mu.
func (c *timeout) reckon() {
	awake, missed := c.under.reckon()
	c.left -= awake
	c.missed += missed
	c.under = c.under.now.step(min(c.step, c.left))
}

func (c *timeout) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.reckon()
	c.err = err
	c.timer.Stop()
	close(c.done)
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	c.forget()
	for call := range calls { // those of package context, which end what derives from c
		(*call)()
	}
}

func (c *timeout) Done() <-chan struct{} { return c.done }

func (c *timeout) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is what package context asks for, so that a context that derives
// from c ends with c's error, and without a goroutine that waits for it.
func (c *timeout) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f() // the caller may hold what f takes
		return func() bool { return false }
	}
	c.calls[&f] = struct{}{}
	return func() bool { return c.drop(&f) }
}

func (c *timeout) drop(f *func()) (dropped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, dropped = c.calls[f]
	delete(c.calls, f)
	return dropped
}

type self struct{}

func (c *timeout) Value(key any) any {
	if key == (self{}) {
		return c
	}
	return c.Context.Value(key)
}

// Missed is how long this process stood still between the making of ctx by
// [WithTimeout], or of the context that ctx derives from, and its end or now;
// rather less than more, by up to an eighth of the timeout each time. It is zero
// for any other context.
func Missed(ctx context.Context) time.Duration {
	c, ok := ctx.Value(self{}).(*timeout)
	if !ok {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		_, missed := c.under.reckon()
		return c.missed + missed
	}
	return c.missed
}
