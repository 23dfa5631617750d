package cluster

import (
	"context"
	"log/slog"
	"time"

	"example.com/hale/internal/hooks"
	"example.com/hale/internal/logline"
)

// An Observer is told what a cluster does, besides what its pools tell theirs. Every
// field may be nil, and so may the Observer. The rules are those of [pool.Observer]: a
// hook must be quick, must not block and must not call the cluster; a panic in one is
// not recovered, and costs no place. All but Waited are called one after the other, in
// the order in which things happened.
type Observer struct {
	// Resolved is called when the endpoints have changed, and when they could not be
	// resolved, or the answer was empty or wrong.
	Resolved func(ResolvedInfo)
	// Ejected is called when an endpoint is ejected.
	Ejected func(EjectedInfo)
	// Panic is called when ejected endpoints are used again since less than half of
	// all can be, and when that ends.
	Panic func(PanicInfo)
	// FailoverBegin is called when the primary was lost: it cannot be reached, is not
	// the primary any more, or another has become it. FailoverEnd is called once for
	// each, after the first use of the new one, or at the end of the cluster.
	FailoverBegin func(FailoverInfo)
	FailoverEnd   func(FailoverInfo)
	// Fallback is called when a caller who prefers a replica is the first to get
	// something else, and when one is the first to get a replica again.
	Fallback func(FallbackInfo)
	// Waited is called at the end of every Acquire that was not served at once, on
	// its goroutine, with the ctx that it was called with.
	Waited func(ctx context.Context, info WaitedInfo)
	// Closed is called when the cluster is closed and every pool of it, after all that
	// was told before; but for Waited it is the last.
	Closed func()
}

// ResolvedInfo is how the endpoints have changed, or that they are not known.
type ResolvedInfo struct {
	Endpoints []Endpoint // all that are used now; their Role is what is known of it
	Added     []Endpoint // of these, those that are new
	Removed   []Endpoint // they drain
	Err       error      // then nothing has changed
}

// EjectedInfo is an endpoint that is left alone for a time.
type EjectedInfo struct {
	Endpoint Endpoint
	For      time.Duration // from now on; Invalidate ends it sooner, and panic mode heeds none
	Times    int           // in short order, this one included
	Why      string        // "failures" or "slow"
	Err      error         // the last that was reported; nil if it is slow
}

// PanicInfo is the beginning or the end of panic mode.
type PanicInfo struct {
	Active bool
	Well   int // endpoints that are neither down nor ejected
	All    int // endpoints, but for those that drain
}

// FailoverInfo is a primary that was lost, and what came after it.
type FailoverInfo struct {
	From, To Endpoint  // To is the zero Endpoint before the end; it may be From, if that is back
	Cause    string    // "outage", "demoted", "replaced" or "removed"
	Began    time.Time // the last sign of life of the old primary, in an outage; else when it was noticed
	Detected time.Time // when it was noticed
	Ended    time.Time // of the first use of the new primary; zero before
	Healed   bool      // false if the cluster was closed before
	Err      error     // of the outage: the death or the dial that it began with
}

// FallbackInfo is whether those who prefer a replica get one.
type FallbackInfo struct {
	Active   bool // they get something else
	Replicas int  // that are known, reachable or not
}

// WaitedInfo is how an Acquire ended that was not served at once.
type WaitedInfo struct {
	Endpoint Endpoint      // zero if there was an error
	Wait     time.Duration // since Acquire was called, dials and questions for a role included
	Hops     int           // endpoints that were tried in vain
	Err      error         // nil if there is a connection
}

// noHooks stands for a nil Observer.
var noHooks Observer

func (o *Observer) set() *Observer {
	if o == nil {
		return &noHooks
	}
	return o
}

// Tee returns an Observer that calls the hooks of observers in their order. Those
// that are nil are skipped; of no observers it is nil. It reads their fields once.
func Tee(observers ...*Observer) *Observer { return hooks.Tee(observers, join) }

func join(a, b *Observer) *Observer {
	return &Observer{
		Resolved:      hooks.WithInfo(a.Resolved, b.Resolved),
		Ejected:       hooks.WithInfo(a.Ejected, b.Ejected),
		Panic:         hooks.WithInfo(a.Panic, b.Panic),
		FailoverBegin: hooks.WithInfo(a.FailoverBegin, b.FailoverBegin),
		FailoverEnd:   hooks.WithInfo(a.FailoverEnd, b.FailoverEnd),
		Fallback:      hooks.WithInfo(a.Fallback, b.Fallback),
		Waited:        hooks.WithContext(a.Waited, b.Waited),
		Closed:        hooks.Bare(a.Closed, b.Closed),
	}
}

// LogObserver returns an Observer that logs one line for each event worth one:
//
//	Debug  an Acquire that was not served at once
//	Info   endpoints that have changed; the ends of a failover, of panic mode and
//	       of a fallback; the end of the cluster
//	Warn   endpoints that could not be resolved, an ejection, panic mode, a
//	       fallback, an Acquire that failed, a failover that did not heal
//	Error  a failover that begins
//
// A nil logger is [slog.Default] as it is now.
func LogObserver(logger *slog.Logger) *Observer {
	to := logline.New(logger)
	return &Observer{
		Resolved: func(i ResolvedInfo) {
			to.Log(level(i.Err != nil, slog.LevelWarn, slog.LevelInfo), message(i.Err != nil, "endpoints not resolved", "endpoints changed"), i.line)
		},
		Ejected: func(i EjectedInfo) { to.Log(slog.LevelWarn, "endpoint ejected", i.line) },
		Panic: func(i PanicInfo) {
			to.Log(level(i.Active, slog.LevelWarn, slog.LevelInfo), message(i.Active, "panic mode began", "panic mode ended"), i.line)
		},
		FailoverBegin: func(i FailoverInfo) { to.Log(slog.LevelError, "failover began", i.line) },
		FailoverEnd: func(i FailoverInfo) {
			to.Log(level(i.Healed, slog.LevelInfo, slog.LevelWarn), message(i.Healed, "failover ended", "failover not healed"), i.line)
		},
		Fallback: func(i FallbackInfo) {
			to.Log(level(i.Active, slog.LevelWarn, slog.LevelInfo), message(i.Active, "no replica to be had", "replicas again"), i.line)
		},
		Waited: func(ctx context.Context, i WaitedInfo) {
			to.LogContext(ctx, level(i.Err != nil, slog.LevelWarn, slog.LevelDebug), message(i.Err != nil, "acquire failed", "acquire waited"), i.line)
		},
		Closed: func() { to.Log(slog.LevelInfo, "cluster closed", logline.Nothing) },
	}
}

func level(is bool, then, other slog.Level) slog.Level {
	if is {
		return then
	}
	return other
}

func message(is bool, then, other string) string {
	if is {
		return then
	}
	return other
}
