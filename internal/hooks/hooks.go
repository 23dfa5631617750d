// Package hooks calls and joins the functions of which an Observer is made. Any
// of them may be nil and is then not called; what is joined of nothing but those
// is nil as well.
package hooks

import "context"

// Tee joins observers in their order, skips those that are nil, and is nil if
// all of them are. join makes one of two.
func Tee[O any](observers []*O, join func(a, b *O) *O) (all *O) {
	for _, o := range observers {
		switch {
		case all == nil:
			all = o
		case o != nil:
			all = join(all, o)
		}
	}
	return all
}

// Call calls a hook.
func Call[T any](hook func(T), info T) {
	if hook != nil {
		hook(info)
	}
}

// CallWithContext calls a hook.
func CallWithContext[T any](ctx context.Context, hook func(context.Context, T), info T) {
	if hook != nil {
		hook(ctx, info)
	}
}

// CallBare calls a hook.
func CallBare(hook func()) {
	if hook != nil {
		hook()
	}
}

// Thread calls a hook that may change ctx, and returns what it made of it. A
// nil hook, and one that returns nil, leaves ctx as it is.
func Thread[T any](ctx context.Context, hook func(context.Context, T) context.Context, info T) context.Context {
	if hook == nil {
		return ctx
	}
	if changed := hook(ctx, info); changed != nil {
		return changed
	}
	return ctx
}

// Threads returns a hook that calls a and then b, which gets the context that a
// returns.
func Threads[T any](a, b func(context.Context, T) context.Context) func(context.Context, T) context.Context {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(ctx context.Context, info T) context.Context {
		return Thread(Thread(ctx, a, info), b, info)
	}
}

// WithContext returns a hook that calls a and then b.
func WithContext[T any](a, b func(context.Context, T)) func(context.Context, T) {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(ctx context.Context, info T) { a(ctx, info); b(ctx, info) }
}

// WithInfo returns a hook that calls a and then b.
func WithInfo[T any](a, b func(T)) func(T) {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(info T) { a(info); b(info) }
}

// Bare returns a hook that calls a and then b.
func Bare(a, b func()) func() {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func() { a(); b() }
}

func either[F any](a, b F, first bool) F {
	if first {
		return a
	}
	return b
}
