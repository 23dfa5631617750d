//go:build linux && !hale_sweep

package deathwatch

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
)

// sampler looks at one descriptor after another, into the same memory: a look
// costs one system call and no allocation.
type sampler struct {
	tcp   unix.TCPInfo
	errno syscall.Errno
	get   func(fd uintptr)
}

// sample looks at a socket. The error means that it is closed.
func (p *sampler) sample(socket syscall.RawConn) (sample, health.TCPState, error) {
	if p.get == nil {
		p.get = p.getTCPInfo
	}
	if err := socket.Control(p.get); err != nil {
		return sample{}, 0, err
	}
	if p.errno != 0 {
		return sample{}, 0, p.errno
	}
	t := &p.tcp
	silence := min(t.Last_ack_recv, t.Last_data_recv)
	state := health.TCPState(t.State)
	sent := time.Duration(t.Last_data_sent) * time.Millisecond
	if finSent(state) {
		sent = 0 // it says nothing of the FIN
	}
	return sample{
		probes:   int(t.Probes),
		timeouts: int(t.Retransmits),
		resent:   int(t.Total_retrans),
		// A peer whose window is shut over data in flight answers each
		// retransmission; nothing is asked then until the next. A FIN is not
		// data: the kernel does not note when it was sent.
		inFlight: t.Unacked > 0 && (t.Last_data_sent < silence || finSent(state)),
		pending:  t.Unacked > 0 || t.Notsent_bytes > 0,
		silence:  time.Duration(silence) * time.Millisecond,
		sent:     sent,
		rtt:      time.Duration(t.Rtt) * time.Microsecond,
		rttVar:   time.Duration(t.Rttvar) * time.Microsecond,
	}, state, nil
}

// info is the last look, for who wants to know. How many bytes are in flight follows
// from what was sent and acknowledged, where a SYN counts as one.
func (p *sampler) info() health.Info {
	t := &p.tcp
	info := health.Info{
		State:              health.TCPState(t.State),
		RTT:                time.Duration(t.Rtt) * time.Microsecond,
		RTTVar:             time.Duration(t.Rttvar) * time.Microsecond,
		RTO:                time.Duration(t.Rto) * time.Microsecond,
		Probes:             int(t.Probes),
		Retransmits:        int(t.Retransmits),
		Backoff:            int(t.Backoff),
		Unsent:             int(t.Notsent_bytes),
		SendWindow:         int(t.Snd_wnd),
		SinceAck:           time.Duration(t.Last_ack_recv) * time.Millisecond,
		SinceReceived:      time.Duration(t.Last_data_recv) * time.Millisecond,
		SinceSent:          time.Duration(t.Last_data_sent) * time.Millisecond,
		BytesSent:          t.Bytes_sent,
		BytesRetransmitted: t.Bytes_retrans,
		BytesAcked:         t.Bytes_acked,
		BytesReceived:      t.Bytes_received,
	}
	if t.Unacked > 0 {
		info.Unacked = int(max(0, int64(t.Bytes_sent-t.Bytes_retrans-t.Bytes_acked)+1))
	}
	return info
}

// finSent: our FIN was sent and is not acknowledged (FIN_WAIT1, LAST_ACK,
// CLOSING), unless data before it is not either.
func finSent(s health.TCPState) bool { return s == 4 || s == 9 || s == 11 }

// getTCPInfo is unix.GetsockoptTCPInfo without its allocation.
func (p *sampler) getTCPInfo(fd uintptr) {
	size := uint32(unsafe.Sizeof(p.tcp))
	_, _, p.errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&p.tcp)), uintptr(unsafe.Pointer(&size)), 0)
}
