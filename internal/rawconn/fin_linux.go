package rawconn

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SawFIN reports whether the peer has closed its side and all that it sent before
// was read, which the kernel remembers when the connection is over, too: a bare
// io.EOF from a socket in state CLOSE is the peer's end of the stream, or what
// is left of an error that somebody else was given. known is false where the
// kernel does not tell.
//
// No option says so by name. TCP_ZEROCOPY_RECEIVE with nothing to receive fails
// with EIO at the end of the stream (tcp_zerocopy_receive, SOCK_DONE; Linux 4.18);
// of 16 bytes it takes no error. Before Linux 5.11 it wants to know where it could
// receive to, all the same.
func SawFIN(fd uintptr) (saw, known bool) {
	unread, errno := receiveNothing(fd, 0, 0)
	if errno == syscall.EINVAL {
		place, err := unix.Mmap(int(fd), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return false, false
		}
		// It gives whole pages, and so none of one byte; but of none it would not say
		// how many there are.
		unread, errno = receiveNothing(fd, uint64(uintptr(unsafe.Pointer(&place[0]))), 1)
		_ = unix.Munmap(place) // it is what Mmap has returned
	}
	switch errno {
	case syscall.EIO:
		return true, true
	case 0:
		return false, unread == 0
	}
	return false, false
}

// receiveNothing is TCP_ZEROCOPY_RECEIVE of less than a page. Unread is 0 if there is
// nothing to receive.
func receiveNothing(fd uintptr, address uint64, length uint32) (unread uint32, errno syscall.Errno) {
	var request [16]byte // struct tcp_zerocopy_receive: address, length, recv_skip_hint
	binary.NativeEndian.PutUint64(request[:], address)
	binary.NativeEndian.PutUint32(request[8:], length)
	size := uint32(len(request))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE,
		uintptr(unsafe.Pointer(&request)), uintptr(unsafe.Pointer(&size)), 0)
	return binary.NativeEndian.Uint32(request[12:]), errno
}
