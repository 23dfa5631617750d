package hale

import (
	"context"
	"log/slog"

	"example.com/hale/internal/logline"
)

// LogObserver returns an Observer that logs one line for each event:
//
//	Debug  a dial that succeeded, a connection that was accepted or closed
//	Info   a suspect peer that has answered after all
//	Warn   a dial that failed, a connection that a Strict listener refused or that is not
//	       watched, a suspect peer, a death, a connection that was never closed
//
// Samples are not logged. The attributes have the names and units (seconds) of package otel's. A nil
// logger is [slog.Default] as it is now.
func LogObserver(logger *slog.Logger) *Observer {
	to := logline.New(logger)
	return &Observer{
		DialDone: func(ctx context.Context, info DialDoneInfo) {
			if info.Err != nil {
				to.LogContext(ctx, slog.LevelWarn, "dial failed", info.line)
				return
			}
			to.LogContext(ctx, levelOf(info.Conn), "connected", info.line)
		},
		Accepted: func(info AcceptedInfo) {
			if info.Conn == nil {
				to.Log(slog.LevelWarn, "connection refused", info.line)
				return
			}
			to.Log(levelOf(info.Conn), "accepted", info.line)
		},
		Suspect:   func(info SuspectInfo) { to.Log(slog.LevelWarn, "peer suspect", info.line) },
		Recovered: func(info RecoveredInfo) { to.Log(slog.LevelInfo, "peer recovered", info.line) },
		Dead:      func(info DeadInfo) { to.Log(slog.LevelWarn, "connection dead", info.line) },
		Closed:    func(info ClosedInfo) { to.Log(slog.LevelDebug, "connection closed", info.line) },
		Dropped:   func(info DroppedInfo) { to.Log(slog.LevelWarn, "connection dropped", info.line) },
	}
}

// levelOf is the one of a connection that was made; c may be nil.
func levelOf(c *Conn) slog.Level {
	if c != nil && c.Unwatched() != nil {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
