package pool

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canPeek = true

// peek looks at the first bytes without taking them. Go's sockets never block,
// so the scheduler need not know of the call, and a look allocates nothing.
func peek(fd uintptr, head *[recordHeader]byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(head)), recordHeader,
		unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN, syscall.EINTR, syscall.ENOSYS: // ENOSYS: a kernel before 4.3 on 386 or s390x
		return 0, errNothing
	}
	return 0, errno
}
