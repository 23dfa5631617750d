package logline

import (
	"cmp"
	"context"
	"log/slog"
)

// A Logger logs lines.
type Logger struct{ to *slog.Logger }

// New returns a Logger to a logger; nil is slog.Default().
func New(to *slog.Logger) Logger { return Logger{cmp.Or(to, slog.Default())} }

// Log is LogContext without a context.
func (l Logger) Log(level slog.Level, message string, line func() Line) {
	l.LogContext(context.Background(), level, message, line)
}

// LogContext logs a line, which is made only if somebody wants it. A nil ctx is
// an empty one.
func (l Logger) LogContext(ctx context.Context, level slog.Level, message string, line func() Line) {
	if ctx == nil {
		ctx = context.Background()
	}
	if l.to.Enabled(ctx, level) {
		l.to.LogAttrs(ctx, level, message, line()...)
	}
}

// Nothing is the line of an event that has only a name.
func Nothing() Line { return nil }
