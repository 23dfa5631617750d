package cluster

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"example.com/hale/pool"
)

// conn and opener are for the signature of Config.Pool.Open.
type (
	conn          = net.Conn
	opener[T any] = func(ctx context.Context, c conn) (T, error)
)

// lateAfter is how long a function of the Config may take to return after the end
// of its ctx.
const lateAfter = time.Second

// guard calls a function of the Config on a goroutine of its own, since the end of
// one cannot be recovered from, and returns a [pool.PanicError] if it does not
// return. One that goes on for longer than lateAfter after the end of ctx has failed.
func guard[R any](ctx context.Context, name string, f func() (R, error)) (R, error) {
	value, _, err := guardUntil(ctx, name, f)
	return value, err
}

// guardUntil is guard, and ended is closed once f has returned after all.
func guardUntil[R any](ctx context.Context, name string, f func() (R, error)) (_ R, ended <-chan struct{}, _ error) {
	var value R
	var err error
	done := make(chan struct{}) // closed when they are f's
	go func() {
		returned := false
		defer close(done)
		defer func() {
			if reason := recover(); !returned {
				err = &pool.PanicError{Func: name, Value: reason, Stack: debug.Stack()}
			}
		}()
		value, err = f()
		returned = true
	}()
	select {
	case <-done:
		return value, done, err
	case <-ctx.Done():
	}
	timer := time.NewTimer(lateAfter)
	defer timer.Stop()
	select {
	case <-done:
		return value, done, err
	case <-timer.C:
		var none R
		return none, done, fmt.Errorf("cluster: %s has not returned a second after the end of its ctx: %w", name, ctx.Err())
	}
}

// group is goroutines that somebody waits for. None begins once it is waited for.
type group struct {
	mu     sync.Mutex // guards what follows
	n      int
	closed bool
	empty  chan struct{} // closed when n is 0, and closed is true
}

// Go runs f, unless the group is waited for already; it reports whether it does.
func (g *group) Go(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	go func() {
		defer g.done()
		f()
	}()
	return true
}

func (g *group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	g.settle()
}

func (g *group) settle() {
	if g.closed && g.n == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// wait waits for all; none begins from then on.
func (g *group) wait() {
	g.mu.Lock()
	g.closed = true
	if g.n == 0 {
		g.mu.Unlock()
		return
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	<-empty
}
