package cluster

import (
	"log/slog"
	"strconv"
	"strings"

	"example.com/hale/internal/logline"
)

// What the Observer is told, on one line: String for a person, LogValue as a group
// with the names and units (seconds) of package otel's attributes, as far as it has
// them. What is not known is left out.

// addressesMost is how many endpoints a line names.
const addressesMost = 8

func addresses(all []Endpoint) string {
	var b strings.Builder
	for i, e := range all {
		if i == addressesMost {
			b.WriteString(" and " + strconv.Itoa(len(all)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Address)
	}
	return b.String()
}

func (i ResolvedInfo) line() logline.Line {
	return logline.Line{}.Int("endpoints", len(i.Endpoints)).Text("added", addresses(i.Added)).
		Text("removed", addresses(i.Removed)).Error("error.message", i.Err)
}

func (i ResolvedInfo) String() string       { return i.line().String() }
func (i ResolvedInfo) LogValue() slog.Value { return i.line().Value() }

func (i EjectedInfo) line() logline.Line {
	return logline.Line{}.Text("hale.endpoint", i.Endpoint.Address).Text("hale.ejection.reason", i.Why).
		Int("times", i.Times).Duration("for", i.For).Error("error.message", i.Err)
}

func (i EjectedInfo) String() string       { return i.line().String() }
func (i EjectedInfo) LogValue() slog.Value { return i.line().Value() }

func (i PanicInfo) line() logline.Line {
	return logline.Line{}.Flag("active", i.Active).Int("well", i.Well).Int("endpoints", i.All)
}

func (i PanicInfo) String() string       { return i.line().String() }
func (i PanicInfo) LogValue() slog.Value { return i.line().Value() }

func (i FailoverInfo) line() logline.Line {
	line := logline.Line{}.Text("from", i.From.Address).Text("to", i.To.Address).Text("hale.failover.cause", i.Cause).
		Time("began", i.Began).Between("hale.detection.duration", i.Began, i.Detected).
		Between("hale.failover.duration", i.Began, i.Ended)
	if !i.Ended.IsZero() {
		line = line.Flag("hale.failover.healed", i.Healed)
	}
	return line.Error("error.message", i.Err)
}

func (i FailoverInfo) String() string       { return i.line().String() }
func (i FailoverInfo) LogValue() slog.Value { return i.line().Value() }

func (i FallbackInfo) line() logline.Line {
	return logline.Line{}.Flag("active", i.Active).Int("replicas", i.Replicas)
}

func (i FallbackInfo) String() string       { return i.line().String() }
func (i FallbackInfo) LogValue() slog.Value { return i.line().Value() }

func (i WaitedInfo) line() logline.Line {
	return logline.Line{}.Duration("hale.acquire.wait", i.Wait).Text("hale.endpoint", i.Endpoint.Address).
		Int("hops", i.Hops).Error("error.message", i.Err)
}

func (i WaitedInfo) String() string       { return i.line().String() }
func (i WaitedInfo) LogValue() slog.Value { return i.line().Value() }
