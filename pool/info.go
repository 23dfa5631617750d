package pool

import (
	"log/slog"

	"example.com/hale/internal/logline"
)

// What the Observer is told, on one line: String for a person, LogValue as a
// group with the names and units (seconds) of package otel's attributes, as far
// as it has them. What is not known is left out.

func (i AcquireStartInfo) line() logline.Line {
	return logline.Line{}.Int("hale.acquire.waiting", i.Waiting).Flag("hale.outage.active", i.Outage)
}

func (i AcquireStartInfo) String() string       { return i.line().String() }
func (i AcquireStartInfo) LogValue() slog.Value { return i.line().Value() }

func (i AcquireDoneInfo) line() logline.Line {
	return logline.Line{}.Duration("hale.acquire.wait", i.Wait).ID("hale.outage.id", i.Outage).Error("error.message", i.Err)
}

func (i AcquireDoneInfo) String() string       { return i.line().String() }
func (i AcquireDoneInfo) LogValue() slog.Value { return i.line().Value() }

func (i EvictInfo) line() logline.Line {
	line := logline.Line{}.Text("hale.close.reason", string(i.Reason)).Text("detail", i.Detail).
		Flag("hale.connection.in_use", i.InUse).Duration("hale.connection.duration", i.Age).
		ID("hale.outage.id", i.Outage).Group(i.Err.LogValue())
	if i.Conn != nil {
		line = line.Peer(addrOf(i.Conn))
	}
	return line
}

func (i EvictInfo) String() string       { return i.line().String() }
func (i EvictInfo) LogValue() slog.Value { return i.line().Value() }

func (i ReconnectStartInfo) line() logline.Line {
	return logline.Line{}.ID("hale.outage.id", i.Outage).Int("hale.reconnect.attempt", i.Attempt).
		Duration("hale.reconnect.pause", i.Pause)
}

func (i ReconnectStartInfo) String() string       { return i.line().String() }
func (i ReconnectStartInfo) LogValue() slog.Value { return i.line().Value() }

func (i ReconnectDoneInfo) line() logline.Line {
	return logline.Line{}.ID("hale.outage.id", i.Outage).Int("hale.reconnect.attempt", i.Attempt).
		Duration("hale.reconnect.duration", i.Duration).Error("error.message", i.Err)
}

func (i ReconnectDoneInfo) String() string       { return i.line().String() }
func (i ReconnectDoneInfo) LogValue() slog.Value { return i.line().Value() }

func (i RefillInfo) line() logline.Line { return logline.Line{}.Int("connections", i.Conns) }

func (i RefillInfo) String() string       { return i.line().String() }
func (i RefillInfo) LogValue() slog.Value { return i.line().Value() }

func (i LeakInfo) line() logline.Line {
	return logline.Line{}.Duration("held", i.Held).Text("stack", i.Stack)
}

func (i LeakInfo) String() string       { return i.line().String() }
func (i LeakInfo) LogValue() slog.Value { return i.line().Value() }

func (i HeartbeatInfo) line() logline.Line {
	outcome := "passed"
	if i.Err != nil {
		outcome = "failed"
	}
	line := logline.Line{}.Text("hale.heartbeat.outcome", outcome)
	if i.Monitor {
		line = line.Flag("monitor", true)
	}
	return line.Duration("duration", i.Duration).Error("error.message", i.Err)
}

func (i HeartbeatInfo) String() string       { return i.line().String() }
func (i HeartbeatInfo) LogValue() slog.Value { return i.line().Value() }

func (i UnwatchedInfo) line() logline.Line {
	return logline.Line{}.Error("hale.unwatched", i.Err)
}

func (i UnwatchedInfo) String() string       { return i.line().String() }
func (i UnwatchedInfo) LogValue() slog.Value { return i.line().Value() }

func (o Outage) line() logline.Line {
	line := logline.Line{}.ID("hale.outage.id", o.ID).Time("began", o.Began).
		Between("hale.detection.duration", o.Began, o.Detected).Between("hale.outage.duration", o.Began, o.Ended).
		Group(o.Death.LogValue()).Error("last_dial", o.Dial)
	if !o.Ended.IsZero() {
		line = line.Flag("hale.outage.healed", o.Healed)
	}
	return line.Int("hale.outage.lost", o.Lost).Int("hale.outage.waiters", o.Waiters).Int("hale.outage.attempts", o.Attempts)
}

// String returns what is known of the outage on one line, such as "outage.id=1
// began=... detection.duration=3s cause=keepalive_timeout ...".
func (o Outage) String() string { return o.line().String() }

// LogValue returns the same as a group, under the names and in the units
// (seconds) of package otel's attributes, as far as it has them.
func (o Outage) LogValue() slog.Value { return o.line().Value() }
