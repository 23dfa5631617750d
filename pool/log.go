package pool

import (
	"context"
	"log/slog"

	"example.com/hale/internal/logline"
)

// LogObserver returns an Observer that logs one line for each event worth one:
//
//	Debug  an Acquire that had to wait, a refill, a connection that left
//	Info   a reconnect, or an attempt at one that failed; the end of an
//	       outage; the end of the pool; addresses that are gone
//	Warn   an Acquire that waited in vain, a connection that left because it
//	       was dead or suspect, a heartbeat that failed, a leak, connections
//	       that are not watched, an outage that did not heal, a name that could
//	       not be resolved
//	Error  an outage that begins
//
// Their attributes have the names and units (seconds) of package otel's. A nil
// logger is [slog.Default] as it is now; one of several pools had better have
// hale.pool.name, by its With.
func LogObserver(logger *slog.Logger) *Observer {
	to := logline.New(logger)
	return &Observer{
		AcquireDone: func(ctx context.Context, info AcquireDoneInfo) {
			to.LogContext(ctx, levelOf(info.Err, slog.LevelDebug, slog.LevelWarn), message(info.Err, "acquire waited", "acquire failed"), info.line)
		},
		Evict: func(info EvictInfo) {
			to.LogContext(info.Context, evictLevel(info.Reason), "connection evicted", info.line)
		},
		OutageBegin: func(o Outage) { to.Log(slog.LevelError, "outage began", o.line) },
		OutageEnd: func(o Outage) {
			if !o.Healed {
				to.Log(slog.LevelWarn, "outage not healed", o.line)
				return
			}
			to.Log(slog.LevelInfo, "outage healed", o.line)
		},
		ReconnectDone: func(ctx context.Context, info ReconnectDoneInfo) {
			to.LogContext(ctx, slog.LevelInfo, message(info.Err, "reconnected", "reconnect failed"), info.line)
		},
		Refill: func(info RefillInfo) { to.Log(slog.LevelDebug, "refilling", info.line) },
		Leak:   func(info LeakInfo) { to.Log(slog.LevelWarn, "connection held for too long", info.line) },
		Heartbeat: func(info HeartbeatInfo) {
			if info.Err != nil {
				to.Log(slog.LevelWarn, "heartbeat failed", info.line)
			}
		},
		Resolved: func(info ResolvedInfo) {
			if info.Err != nil || len(info.Gone) > 0 {
				to.Log(levelOf(info.Err, slog.LevelInfo, slog.LevelWarn), message(info.Err, "addresses gone", "name not resolved"), info.line)
			}
		},
		Unwatched: func(info UnwatchedInfo) { to.Log(slog.LevelWarn, "connections are not watched", info.line) },
		Closed:    func() { to.Log(slog.LevelInfo, "pool closed", logline.Nothing) },
	}
}

func evictLevel(reason Reason) slog.Level {
	if reason == ReasonDead || reason == ReasonSuspect {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func levelOf(err error, good, bad slog.Level) slog.Level {
	if err != nil {
		return bad
	}
	return good
}

func message(err error, good, bad string) string {
	if err != nil {
		return bad
	}
	return good
}
