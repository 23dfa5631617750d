package pool

import "example.com/hale/internal/hooks"

// Tee returns an Observer that calls the hooks of observers in their order. The
// context that one AcquireStart or ReconnectStart returns is what the next one
// gets. Those that are nil are skipped, and a hook that none of them has stays
// nil, for a pool saves itself the work then; of no observers it is nil. It
// reads their fields once.
func Tee(observers ...*Observer) *Observer { return hooks.Tee(observers, join) }

func join(a, b *Observer) *Observer {
	return &Observer{
		AcquireStart:   hooks.Threads(a.AcquireStart, b.AcquireStart),
		AcquireDone:    hooks.WithContext(a.AcquireDone, b.AcquireDone),
		Acquired:       hooks.WithContext(a.Acquired, b.Acquired),
		Release:        hooks.Bare(a.Release, b.Release),
		Evict:          hooks.WithInfo(a.Evict, b.Evict),
		OutageBegin:    hooks.WithInfo(a.OutageBegin, b.OutageBegin),
		OutageEnd:      hooks.WithInfo(a.OutageEnd, b.OutageEnd),
		ReconnectStart: hooks.Threads(a.ReconnectStart, b.ReconnectStart),
		ReconnectDone:  hooks.WithContext(a.ReconnectDone, b.ReconnectDone),
		Refill:         hooks.WithInfo(a.Refill, b.Refill),
		Leak:           hooks.WithInfo(a.Leak, b.Leak),
		Heartbeat:      hooks.WithInfo(a.Heartbeat, b.Heartbeat),
		Resolved:       hooks.WithInfo(a.Resolved, b.Resolved),
		Unwatched:      hooks.WithInfo(a.Unwatched, b.Unwatched),
		Closed:         hooks.Bare(a.Closed, b.Closed),
	}
}
