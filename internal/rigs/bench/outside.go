package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Outside calls run with what a test has, in a program that is none: what is
// given to Cleanup is called in the end, and what the test would have failed or
// been skipped for is the error.
func Outside(run func(tb testing.TB)) error {
	o := new(outside)
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.do(func() { run(o) })
	o.cancel()
	for len(o.cleanups) > 0 {
		last := o.cleanups[len(o.cleanups)-1]
		o.cleanups = slices.Delete(o.cleanups, len(o.cleanups)-1, len(o.cleanups))
		o.do(last)
	}
	return errors.Join(o.errs...)
}

// outside is a testing.TB as far as the rivals make use of one. The interface that
// it embeds is nil: it is there for the method that only package testing can have.
type outside struct {
	testing.TB
	ctx    context.Context // that of Context
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	cleanups []func()
	errs     []error
}

// do calls f on a goroutine that FailNow may end, and waits.
func (o *outside) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (o *outside) fail(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.errs = append(o.errs, errors.New(text))
}

func (o *outside) Cleanup(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cleanups = append(o.cleanups, f)
}

func (o *outside) Helper()                           {}
func (o *outside) Context() context.Context          { return o.ctx }
func (o *outside) Error(args ...any)                 { o.fail(fmt.Sprint(args...)) }
func (o *outside) Errorf(format string, args ...any) { o.fail(fmt.Sprintf(format, args...)) }

func (o *outside) Fatal(args ...any) {
	o.Error(args...)
	runtime.Goexit()
}

func (o *outside) Fatalf(format string, args ...any) {
	o.Errorf(format, args...)
	runtime.Goexit()
}

func (o *outside) Skipf(format string, args ...any) { o.Fatalf(format, args...) }
