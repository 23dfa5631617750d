package hale

import (
	"log/slog"
	"strings"

	"example.com/hale/internal/logline"
	"example.com/hale/internal/tcpretries"
	"example.com/hale/sockopt"
)

// What the Observer is told, on one line: String for a person, LogValue as a
// group with the names and units (seconds) of package otel's attributes, as far
// as it has them. What is not known is left out.

func (i DialStartInfo) line() logline.Line {
	return logline.Line{}.Server(i.Address).Text("network.transport", transport(i.Network)).
		Text("keepalive", asked(i.KeepAlive).String())
}

func (i DialStartInfo) String() string       { return i.line().String() }
func (i DialStartInfo) LogValue() slog.Value { return i.line().Value() }

// asked is k with its defaults filled in, if k is in range.
func asked(k sockopt.KeepAlive) sockopt.KeepAlive {
	if plan, err := planFor(k, tcpretries.Setting()); err == nil {
		return plan.plan.Asked
	}
	return k
}

func (i DialDoneInfo) line() logline.Line {
	line := logline.Line{}.Server(i.Address).Text("network.transport", transport(i.Network)).
		Duration("hale.connect.duration", i.Duration)
	if i.Conn != nil {
		line = withPeer(line, i.Conn).Group(i.Conn.Report().LogValue()).Error("hale.unwatched", i.Conn.Unwatched())
	}
	return line.Error("error.message", i.Err)
}

func (i DialDoneInfo) String() string       { return i.line().String() }
func (i DialDoneInfo) LogValue() slog.Value { return i.line().Value() }

func (i AcceptedInfo) line() logline.Line {
	line := logline.Line{}.Text("network.transport", "tcp").Peer(i.RemoteAddr)
	if i.Conn != nil {
		line = line.Group(i.Conn.Report().LogValue())
	}
	return line.Error("error.message", i.Err)
}

func (i AcceptedInfo) String() string       { return i.line().String() }
func (i AcceptedInfo) LogValue() slog.Value { return i.line().Value() }

func (i SuspectInfo) line() logline.Line {
	return withPeer(nil, i.Conn).Int("hale.probes", i.Info.Probes).Int("hale.retransmits", i.Info.Retransmits).
		Known("hale.silence", i.Info.Silence())
}

func (i SuspectInfo) String() string       { return i.line().String() }
func (i SuspectInfo) LogValue() slog.Value { return i.line().Value() }

func (i RecoveredInfo) line() logline.Line { return withPeer(nil, i.Conn).Known("rtt", i.Info.RTT) }

func (i RecoveredInfo) String() string       { return i.line().String() }
func (i RecoveredInfo) LogValue() slog.Value { return i.line().Value() }

func (i SampledInfo) line() logline.Line {
	return withPeer(nil, i.Conn).Known("rtt", i.Info.RTT).Int("hale.probes", i.Info.Probes).
		Int("sent", int(i.Sent)).Int("retransmitted", int(i.Retransmitted)).Int("acked", int(i.Acked)).Int("in_flight", i.Info.Unacked)
}

func (i SampledInfo) String() string       { return i.line().String() }
func (i SampledInfo) LogValue() slog.Value { return i.line().Value() }

func (i DeadInfo) line() logline.Line {
	return withPeer(logline.Line{}.Group(i.Err.LogValue()), i.Conn)
}

func (i DeadInfo) String() string       { return i.line().String() }
func (i DeadInfo) LogValue() slog.Value { return i.line().Value() }

func (i ClosedInfo) line() logline.Line {
	reason := "closed"
	if i.Err != nil {
		reason = "dead"
	}
	line := logline.Line{}.Text("hale.close.reason", reason).Duration("hale.connection.duration", i.Open)
	return withPeer(line.Group(i.Err.LogValue()), i.Conn)
}

func (i ClosedInfo) String() string       { return i.line().String() }
func (i ClosedInfo) LogValue() slog.Value { return i.line().Value() }

func (i DroppedInfo) line() logline.Line {
	return logline.Line{}.Text("hale.close.reason", "dropped").Duration("hale.connection.duration", i.Open).Peer(i.RemoteAddr)
}

func (i DroppedInfo) String() string       { return i.line().String() }
func (i DroppedInfo) LogValue() slog.Value { return i.line().Value() }

// withPeer adds who is at the other end of c, which may be nil, unless the line
// has it.
func withPeer(line logline.Line, c *Conn) logline.Line {
	if c == nil {
		return line
	}
	return line.Peer(c.RemoteAddr())
}

// transport is what a network is carried by.
func transport(network string) string {
	for _, name := range []string{"tcp", "udp", "unix"} {
		if strings.HasPrefix(network, name) {
			return name
		}
	}
	return network
}
