package health

import (
	"log/slog"

	"example.com/hale/internal/logline"
)

// String is Error, for a nil *DeadError, too.
func (e *DeadError) String() string { return e.Error() }

// LogValue returns a group: hale.cause, operation, hale.silence, unanswered,
// network.peer.address, network.peer.port, hale.window.earliest,
// hale.window.latest, hale.promised (seconds) and error.message, as far as they are known. For
// a nil *DeadError it is a text.
func (e *DeadError) LogValue() slog.Value {
	if e == nil {
		return slog.StringValue(noDeath)
	}
	return logline.Line{}.
		Text("hale.cause", e.Cause.String()).
		Text("operation", e.Op).
		Known("hale.silence", e.Silence).
		Known("unanswered", e.Unanswered).
		Peer(e.Peer).
		Known("hale.window.earliest", e.WindowEarliest).
		Known("hale.window.latest", e.WindowLatest).
		Known("hale.promised", e.Promised).
		Error("error.message", e.Err).
		Value()
}
