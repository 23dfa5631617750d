package health

import (
	"fmt"
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// A TCPState is a connection's state in the kernel's numbering.
type TCPState uint8

// The states of RFC 9293 section 3.3.2 by Linux' numbers
// (include/net/tcp_states.h).
const (
	TCPEstablished TCPState = 1
	TCPClose       TCPState = 7 // the connection is over: it died, or both sides closed it
	TCPCloseWait   TCPState = 8 // the peer closed its side
)

var tcpStates = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV",
}

// String returns the state's name as in RFC 9293, such as "ESTABLISHED".
func (s TCPState) String() string {
	if int(s) < len(tcpStates) && tcpStates[s] != "" {
		return tcpStates[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Info is what the kernel knows about a connection at one moment: Linux'
// TCP_INFO (tcp(7), struct tcp_info) in Go's units. A kernel too old for a
// field leaves it zero.
type Info struct {
	State TCPState

	RTT    time.Duration // smoothed round-trip time
	RTTVar time.Duration // its mean deviation
	RTO    time.Duration // retransmission timeout as it stands, backed off or not

	Probes      int // keepalive and window probes sent since the peer last answered
	Retransmits int // timeouts in a row for the oldest unacknowledged data
	Backoff     int // exponent of the timer that runs

	Unacked    int // bytes sent and not acknowledged
	Unsent     int // bytes written and not sent yet
	SendWindow int // bytes the peer is willing to take; 0 means it does not read

	SinceAck      time.Duration // since the last segment that acknowledged anything, data or probe
	SinceReceived time.Duration // since the last data from the peer
	SinceSent     time.Duration // since the last data to the peer

	BytesSent          uint64 // without headers, retransmissions included
	BytesRetransmitted uint64
	BytesAcked         uint64
	BytesReceived      uint64

	UserTimeout time.Duration // the bound for unacknowledged data that is set; 0 is none
}

// Silence returns how long nothing at all has come from the peer.
func (i Info) Silence() time.Duration { return min(i.SinceAck, i.SinceReceived) }

// Inspect returns what the kernel knows about the connection. It consumes
// nothing, does not block, and works on a connection that has died as long as
// it is not closed ([net.ErrClosed] then). It costs two system calls.
// Everywhere but on Linux and Android, and of a Multipath TCP connection, of whose
// first subflow alone TCP_INFO tells, the error matches [errors.ErrUnsupported].
func Inspect(c syscall.RawConn) (Info, error) {
	var info Info
	err := rawconn.Control(c, func(fd uintptr) (err error) {
		info, err = inspect(fd)
		return err
	})
	return info, err
}

// inspectConn is Inspect for a connection of any kind.
func inspectConn(c any) (Info, error) {
	raw, err := rawconn.Of(c)
	if err != nil {
		return Info{}, err
	}
	return Inspect(raw)
}

func micros(us uint32) time.Duration { return time.Duration(us) * time.Microsecond }
func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
