package pool

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// holder is who holds a slot, for those who report on it. A nil one is of nobody.
type holder struct {
	mu     sync.Mutex // guards what follows
	ctx    context.Context
	since  time.Time
	stack  []uintptr
	leaked bool // reported
}

func (h *holder) set(ctx context.Context, leaks bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.leaked = ctx, false
	if leaks {
		h.since = time.Now()
		h.stack = append(h.stack[:0], make([]uintptr, 32)...)
		h.stack = h.stack[:runtime.Callers(2, h.stack)]
	}
}

// clear forgets who held the slot.
func (h *holder) clear() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.since = nil, time.Time{}
}

func (h *holder) context() context.Context {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ctx
}

// leak returns who has held the slot for longer than after, once, and before
// that how much time is left.
func (h *holder) leak(after time.Duration) (info LeakInfo, left time.Duration) {
	if h == nil {
		return LeakInfo{}, 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	held := time.Since(h.since)
	switch {
	case h.leaked || h.since.IsZero():
		return LeakInfo{}, 0
	case held < after:
		return LeakInfo{}, after - held
	}
	h.leaked = true
	return LeakInfo{Held: held, Stack: stackText(h.stack)}, 0
}

// who returns for how long a slot has been held, and by whom; both are zero where
// no stack is kept, or nobody holds it.
func (h *holder) who() (held time.Duration, stack string) {
	if h == nil {
		return 0, ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() {
		return 0, ""
	}
	return time.Since(h.since), stackText(h.stack)
}

// stackText writes a stack as a panic does, from the caller of the pool on.
func stackText(pcs []uintptr) string {
	var b strings.Builder
	for frames := runtime.CallersFrames(pcs); ; {
		f, more := frames.Next()
		if b.Len() > 0 || !isOwn(f.Function) {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// isOwn reports whether a function in a stack is a method of the pool's own.
func isOwn(function string) bool {
	method, of := strings.CutPrefix(function, "example.com/hale/pool.")
	return of && slices.ContainsFunc([]string{"(*Pool[", "(*acquisition[", "caller["}, func(receiver string) bool {
		return strings.HasPrefix(method, receiver)
	})
}
