package rawconn

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SawFIN reports whether the peer has closed its side, which the kernel remembers when
// the connection is over, too: a bare io.EOF from a socket in state CLOSE is the peer's
// end of the stream, or what is left of an error that somebody else was given. known is
// false where the kernel does not tell.
//
// No option says so by name. TCP_ZEROCOPY_RECEIVE with nothing to receive fails
// with EIO at the end of the stream (tcp_zerocopy_receive, SOCK_DONE; Linux 4.18). With
// something unread it counts the FIN (tcp_inq_hint; Linux 5.6), and SIOCINQ does not
// (tcp_inq). Of 20 bytes it takes no error. Before Linux 5.11, and with a page unread, it
// wants to know where it could receive to, all the same.
func SawFIN(fd uintptr) (saw, known bool) {
	before := unread(fd)
	reply, errno := receiveNothing(fd, 0, 0)
	if errno == syscall.EINVAL {
		place, err := unix.Mmap(int(fd), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return false, false
		}
		// It gives whole pages, and so none of one byte; but of none it would not say
		// how many there are.
		reply, errno = receiveNothing(fd, uint64(uintptr(unsafe.Pointer(&place[0]))), 1)
		_ = unix.Munmap(place) // it is what Mmap has returned
	}
	switch {
	case errno == syscall.EIO:
		return true, true
	case errno != 0:
		return false, false
	case reply.unread == 0:
		return false, true
	case !reply.counts || before < 0 || unread(fd) != before: // somebody reads it
		return false, false
	}
	with := int(reply.withFIN) - before
	return with == 1, with == 0 || with == 1
}

// unread is how many bytes there are to be read, and negative if the kernel does not say.
func unread(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	if err != nil {
		return -1
	}
	return n
}

// nothing is what there is to receive, of which nothing was.
type nothing struct {
	unread  uint32 // 0 if there is nothing
	withFIN uint32 // bytes, and one more for a FIN behind them
	counts  bool   // withFIN is known
}

// receiveNothing is TCP_ZEROCOPY_RECEIVE of less than a page.
func receiveNothing(fd uintptr, address uint64, length uint32) (reply nothing, errno syscall.Errno) {
	var request [20]byte // struct tcp_zerocopy_receive: address, length, recv_skip_hint, inq
	binary.NativeEndian.PutUint64(request[:], address)
	binary.NativeEndian.PutUint32(request[8:], length)
	size := uint32(len(request))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE,
		uintptr(unsafe.Pointer(&request)), uintptr(unsafe.Pointer(&size)), 0)
	return nothing{
		unread:  binary.NativeEndian.Uint32(request[12:]),
		withFIN: binary.NativeEndian.Uint32(request[16:]),
		counts:  size == uint32(len(request)),
	}, errno
}
