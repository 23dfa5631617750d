package sockopt

import (
	"time"

	"golang.org/x/sys/unix"
)

// rto is the retransmission timeout that the kernel has worked out for the
// path, and zero if it does not tell.
func (d descriptor) rto() time.Duration {
	info, err := unix.GetsockoptTCPInfo(int(d), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Rto) * time.Microsecond
}
