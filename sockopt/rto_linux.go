package sockopt

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rto is the retransmission timeout that the kernel has worked out for the
// path, and zero if it does not tell. It is unix.GetsockoptTCPInfo without its
// allocation, for every dial asks.
func (d descriptor) rto() time.Duration {
	var info unix.TCPInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(d), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(info.Rto) * time.Microsecond
}
