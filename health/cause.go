package health

import "iter"

// A Cause says why a connection died. The zero value is [Unknown].
type Cause uint8

const (
	// Unknown is the cause of an error that is no death (a deadline, for one),
	// or of a death that nothing explains.
	Unknown Cause = iota
	// KeepAliveTimeout: the connection was idle and the peer answered none of
	// the kernel's keepalive probes (RFC 9293 section 3.8.4).
	KeepAliveTimeout
	// SendTimeout: data that was sent stayed unacknowledged for longer than
	// the user timeout (RFC 5482), or than the kernel's own limit.
	SendTimeout
	// PeerStalled: the peer's kernel answers, but its window stayed closed for
	// the whole user timeout, because its program does not read.
	PeerStalled
	// Reset: the peer, or something on the way, sent RST.
	Reset
	// PeerClosed: the peer closed its side in good order (FIN).
	PeerClosed
	// Unreachable: no way to the peer: an ICMP error, a neighbour that does
	// not resolve, or a route, link or address of this machine that is gone.
	Unreachable
	// HeartbeatFailed: the application's own probe failed, whatever the
	// kernels may say to each other.
	HeartbeatFailed
	// LocalClosed: this side closed the connection.
	LocalClosed
	// Aborted: this machine ended the connection under the program (ECONNABORTED):
	// its administrator ("ss -K"), or its system when the network that the
	// connection used went (Android, Darwin). Nothing is known of the peer.
	Aborted

	causes // how many there are
)

var causeNames = [causes]string{
	Unknown:          "unknown",
	KeepAliveTimeout: "keepalive_timeout",
	SendTimeout:      "send_timeout",
	PeerStalled:      "peer_stalled",
	Reset:            "reset",
	PeerClosed:       "peer_closed",
	Unreachable:      "unreachable",
	HeartbeatFailed:  "heartbeat_failed",
	LocalClosed:      "local_closed",
	Aborted:          "aborted",
}

// Causes yields every cause in order, [Unknown] first. The list is closed.
func Causes() iter.Seq[Cause] {
	return func(yield func(Cause) bool) {
		for c := range causes {
			if !yield(c) {
				return
			}
		}
	}
}

// String returns the cause as a snake_case word, the same in errors, in JSON
// and as OpenTelemetry's error.type. The list is closed: unknown,
// keepalive_timeout, send_timeout, peer_stalled, reset, peer_closed,
// unreachable, heartbeat_failed, local_closed, aborted.
func (c Cause) String() string {
	if c >= causes {
		c = Unknown
	}
	return causeNames[c]
}

// Silent reports whether the cause is that nothing came back from the peer.
// After such a death the other connections to the same address are suspect; a
// reset or an orderly close says nothing about them.
func (c Cause) Silent() bool {
	switch c {
	case KeepAliveTimeout, SendTimeout, Unreachable, HeartbeatFailed:
		return true
	}
	return false
}
