package pool

import (
	"context"
	"iter"
	"net"
	"slices"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/hooks"
)

// An Observer is told what a pool does. Every field may be nil, and so may the
// Observer. A hook has no say in what happens; it runs on the goroutine that
// acts, so it must be quick, must not block and must not call the pool.
// Hooks run concurrently with each other. A panic in one is not recovered; a
// program that does so on a goroutine of its own finds the pool as it should be.
type Observer struct {
	// AcquireStart is called when an Acquire is not served at once: it waits for a
	// connection in use, a dial or a Check, or fails with [ErrClosed] or
	// [ErrUnavailable]. One that has an ended ctx, or too many before it, makes no
	// call. The context that it returns is the one that AcquireDone gets and that
	// a dial on its behalf runs under; to add nothing, return ctx (or nil).
	AcquireStart func(ctx context.Context, info AcquireStartInfo) context.Context
	// AcquireDone is called once for every AcquireStart.
	AcquireDone func(ctx context.Context, info AcquireDoneInfo)
	// Acquired is called at the end of every Acquire, however it ended, with the
	// ctx that it was called with; after AcquireDone, if it had to wait. Without
	// this hook an Acquire that is served at once calls nothing.
	Acquired func(ctx context.Context, info AcquiredInfo)
	// Release is called when a connection that was used has come back and is
	// kept, after Reset if that was needed.
	Release func()
	// Evict is called once for every connection that leaves the pool.
	Evict func(EvictInfo)
	// OutageBegin and OutageEnd are called once for each outage.
	OutageBegin func(Outage)
	OutageEnd   func(Outage)
	// ReconnectStart is called before each attempt to dial again after a dial
	// that failed, a death by silence, or three connections in a row that the server
	// has accepted and closed unheard; the dial runs under the context that it
	// returns, and ReconnectDone gets the same.
	ReconnectStart func(ctx context.Context, info ReconnectStartInfo) context.Context
	ReconnectDone  func(ctx context.Context, info ReconnectDoneInfo)
	// Refill is called when connections are opened that no caller waits for.
	Refill func(RefillInfo)
	// Leak is called once for a connection that is held for LeakAfter.
	Leak func(LeakInfo)
	// Heartbeat is called after each Check of Config.Heartbeat or Config.Monitor
	// that was not cut short by the end of the pool.
	Heartbeat func(HeartbeatInfo)
	// Resolved is called after each call of Config.Resolve that was not cut short
	// by the end of the pool.
	Resolved func(ResolvedInfo)
	// Unwatched is called once, for the first connection whose death is not told:
	// no *hale.Conn is found under it, or that one cannot be watched. Stats has how
	// many there are.
	Unwatched func(UnwatchedInfo)
	// Closed is called when the pool is closed and everything in it gone.
	Closed func()
}

// AcquireStartInfo is an Acquire that has to wait.
type AcquireStartInfo struct {
	Waiting int  // callers that wait, this one included
	Outage  bool // an outage runs
}

// AcquireDoneInfo is how it ended.
type AcquireDoneInfo struct {
	Wait   time.Duration
	Outage uint64 // the ID of the outage that it waited for, or 0
	Err    error
}

// UnwatchedInfo is a connection whose death is found only when it is used.
type UnwatchedInfo struct {
	Conn net.Conn
	Err  error // why, and what to do about it; it matches errors.ErrUnsupported as a rule
}

// A Reason says why a connection left the pool.
type Reason string

// The reasons; the list is closed.
const (
	ReasonDead     Reason = "dead"      // it died; EvictInfo.Err says why
	ReasonSuspect  Reason = "suspect"   // suspect, and the check did not pass
	ReasonFault    Reason = "fault"     // a read or write failed during its use, or PrepareAcquire or AfterRelease did
	ReasonUnread   Reason = "unread"    // the peer had sent something that no caller has read
	ReasonLifetime Reason = "lifetime"  // MaxConnLifetime
	ReasonIdle     Reason = "idle_time" // MaxConnIdleTime
	ReasonSurplus  Reason = "surplus"   // Resize, to fewer, or CloseIdle
	ReasonInvalid  Reason = "invalid"   // Invalidate
	ReasonMoved    Reason = "moved"     // its address is gone from what Config.Resolve answers
	ReasonClosed   Reason = "closed"    // Conn.Close, or by the T itself
	ReasonHijacked Reason = "hijacked"  // Conn.Hijack
	ReasonShutdown Reason = "shutdown"  // Shutdown or Close of the pool
)

var reasons = [...]Reason{
	ReasonDead, ReasonSuspect, ReasonFault, ReasonUnread, ReasonLifetime,
	ReasonIdle, ReasonSurplus, ReasonInvalid, ReasonMoved, ReasonClosed, ReasonHijacked, ReasonShutdown,
}

// Reasons yields every reason in order.
func Reasons() iter.Seq[Reason] { return slices.Values(reasons[:]) }

// EvictInfo is a connection that leaves the pool.
type EvictInfo struct {
	Reason Reason
	Err    *health.DeadError // for ReasonDead and ReasonSuspect; else nil
	Conn   net.Conn          // what Dial returned; it may be closed already
	InUse  bool              // a caller holds it still
	Age    time.Duration
	// Context is the one that Acquire was called with, if a caller holds it.
	Context context.Context
	Outage  uint64 // the ID of the outage that a death begins or belongs to, or 0
	Detail  string // what Invalidate was told; or what Reset, PrepareAcquire or AfterRelease failed with, and the stack if it panicked
}

// ReconnectStartInfo is an attempt that is about to be made.
type ReconnectStartInfo struct {
	Outage  uint64        // its ID; 0 if there is none: the server is full (Stats.Full), or may be
	Attempt int           // from 1
	Pause   time.Duration // that came before it
}

// ReconnectDoneInfo is how it ended.
type ReconnectDoneInfo struct {
	Outage   uint64 // as in ReconnectStartInfo
	Attempt  int
	Duration time.Duration
	Err      error
}

// RefillInfo is how many connections are opened in the background.
type RefillInfo struct{ Conns int }

// LeakInfo is a connection held for too long.
type LeakInfo struct {
	Held  time.Duration
	Stack string // of the Acquire
}

// HeartbeatInfo is a Check of an idle connection, or of the monitor's.
type HeartbeatInfo struct {
	Duration time.Duration
	Err      error
	Monitor  bool // it is that of Config.Monitor
}

// noHooks stands for a nil Observer.
var noHooks Observer

func (o *Observer) set() *Observer {
	if o == nil {
		return &noHooks
	}
	return o
}

func (o *Observer) acquireStart(ctx context.Context, info AcquireStartInfo) context.Context {
	return hooks.Thread(ctx, o.set().AcquireStart, info)
}

func (o *Observer) acquireDone(ctx context.Context, info AcquireDoneInfo) {
	hooks.CallWithContext(ctx, o.set().AcquireDone, info)
}

func (o *Observer) reconnectStart(ctx context.Context, info ReconnectStartInfo) context.Context {
	return hooks.Thread(ctx, o.set().ReconnectStart, info)
}

func (o *Observer) reconnectDone(ctx context.Context, info ReconnectDoneInfo) {
	hooks.CallWithContext(ctx, o.set().ReconnectDone, info)
}

func (o *Observer) release()                     { hooks.CallBare(o.set().Release) }
func (o *Observer) evict(info EvictInfo)         { hooks.Call(o.set().Evict, info) }
func (o *Observer) outageBegin(info Outage)      { hooks.Call(o.set().OutageBegin, info) }
func (o *Observer) outageEnd(info Outage)        { hooks.Call(o.set().OutageEnd, info) }
func (o *Observer) refill(info RefillInfo)       { hooks.Call(o.set().Refill, info) }
func (o *Observer) leak(info LeakInfo)           { hooks.Call(o.set().Leak, info) }
func (o *Observer) heartbeat(info HeartbeatInfo) { hooks.Call(o.set().Heartbeat, info) }
func (o *Observer) closed()                      { hooks.CallBare(o.set().Closed) }

// wantsWaits reports whether the Observer asks for the callers that wait.
func (o *Observer) wantsWaits() bool {
	return o.set().AcquireStart != nil || o.set().AcquireDone != nil
}

// wantsHolder reports whether the Observer asks for the holder of a connection.
func (o *Observer) wantsHolder() bool            { return o.set().Evict != nil || o.set().Leak != nil }
func (o *Observer) unwatched(info UnwatchedInfo) { hooks.Call(o.set().Unwatched, info) }
