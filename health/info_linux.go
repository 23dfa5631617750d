package health

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

var errMultipath = fmt.Errorf("health: Multipath TCP: %w", errors.ErrUnsupported)

func inspect(fd uintptr) (Info, error) {
	if rawconn.IsMultipath(fd) {
		return Info{}, errMultipath
	}
	t, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Info{}, os.NewSyscallError("getsockopt", err)
	}
	info := fromTCPInfo(t)
	// SIOCOUTQ counts what is not acknowledged, sent or not; TCP_INFO has the
	// sent part in segments only.
	if queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
		info.Unacked = max(0, queued-info.Unsent)
	}
	// An MPTCP socket has no user timeout (EOPNOTSUPP): none is what that means.
	if ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err == nil {
		info.UserTimeout = millis(uint32(ms))
	}
	return info, nil
}

func fromTCPInfo(t *unix.TCPInfo) Info {
	return Info{
		State:              TCPState(t.State),
		RTT:                micros(t.Rtt),
		RTTVar:             micros(t.Rttvar),
		RTO:                micros(t.Rto),
		Probes:             int(t.Probes),
		Retransmits:        int(t.Retransmits),
		Backoff:            int(t.Backoff),
		Unsent:             int(t.Notsent_bytes),
		SendWindow:         int(t.Snd_wnd),
		SinceAck:           millis(t.Last_ack_recv),
		SinceReceived:      millis(t.Last_data_recv),
		SinceSent:          millis(t.Last_data_sent),
		BytesSent:          t.Bytes_sent,
		BytesRetransmitted: t.Bytes_retrans,
		BytesAcked:         t.Bytes_acked,
		BytesReceived:      t.Bytes_received,
	}
}
