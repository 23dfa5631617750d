package rawconn

import (
	"encoding/binary"
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
// of 16 bytes it takes no error.
func SawFIN(fd uintptr) (saw, known bool) {
	var request [16]byte // struct tcp_zerocopy_receive: address, length, recv_skip_hint
	size := uint32(len(request))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE,
		uintptr(unsafe.Pointer(&request)), uintptr(unsafe.Pointer(&size)), 0)
	switch unread := binary.NativeEndian.Uint32(request[12:]); errno {
	case syscall.EIO:
		return true, true
	case 0:
		return false, unread == 0
	}
	return false, false
}
