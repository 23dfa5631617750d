package otelhale

import (
	"context"

	"example.com/hale"
	"example.com/hale/pool"
)

// joinDialers has the hooks of next called after those of o.
func joinDialers(o *hale.Observer, next []*hale.Observer) *hale.Observer {
	for _, n := range next {
		if n == nil {
			continue
		}
		o = &hale.Observer{
			DialStart: through(o.DialStart, n.DialStart),
			DialDone:  both2(o.DialDone, n.DialDone),
			Suspect:   both(o.Suspect, n.Suspect),
			Recovered: both(o.Recovered, n.Recovered),
			Dead:      both(o.Dead, n.Dead),
			Closed:    both(o.Closed, n.Closed),
		}
	}
	return o
}

// joinPools has the hooks of next called after those of o. A hook that nobody
// has stays nil: the pool saves itself the work.
func joinPools(o *pool.Observer, next []*pool.Observer) *pool.Observer {
	for _, n := range next {
		if n == nil {
			continue
		}
		o = &pool.Observer{
			AcquireStart:   through(o.AcquireStart, n.AcquireStart),
			AcquireDone:    both2(o.AcquireDone, n.AcquireDone),
			Release:        both0(o.Release, n.Release),
			Evict:          both(o.Evict, n.Evict),
			OutageBegin:    both(o.OutageBegin, n.OutageBegin),
			OutageEnd:      both(o.OutageEnd, n.OutageEnd),
			ReconnectStart: through(o.ReconnectStart, n.ReconnectStart),
			ReconnectDone:  both2(o.ReconnectDone, n.ReconnectDone),
			Refill:         both(o.Refill, n.Refill),
			Leak:           both(o.Leak, n.Leak),
			Heartbeat:      both(o.Heartbeat, n.Heartbeat),
			Closed:         both0(o.Closed, n.Closed),
		}
	}
	return o
}

func through[T any](a, b func(context.Context, T) context.Context) func(context.Context, T) context.Context {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(ctx context.Context, info T) context.Context { return b(a(ctx, info), info) }
}

func both2[T any](a, b func(context.Context, T)) func(context.Context, T) {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(ctx context.Context, info T) { a(ctx, info); b(ctx, info) }
}

func both[T any](a, b func(T)) func(T) {
	if a == nil || b == nil {
		return either(a, b, a != nil)
	}
	return func(info T) { a(info); b(info) }
}

func both0(a, b func()) func() {
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
