package health

import (
	"errors"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// pollFD is WSAPOLLFD of winsock2.h.
type pollFD struct {
	socket  windows.Handle
	events  int16
	revents int16
}

// From winsock2.h.
const (
	pollError      = 0x0001     // POLLERR
	pollHangUp     = 0x0002     // POLLHUP: the peer has closed its side, or the connection has died
	pollReadNormal = 0x0100     // POLLRDNORM: data is there
	msgPeek        = 0x2        // MSG_PEEK
	soError        = 0x1007     // SO_ERROR
	fioNonBlocking = 0x8004667e // FIONBIO
)

var wsaPoll = windows.NewLazySystemDLL("ws2_32.dll").NewProc("WSAPoll")

// peek looks at the first byte without taking it, if WSAPoll says that the
// stream has come to its end.
func peek(fd uintptr) error {
	socket := windows.Handle(fd)
	poll := pollFD{socket: socket, events: pollReadNormal}
	n, _, errno := wsaPoll.Call(uintptr(unsafe.Pointer(&poll)), 1, 0)
	if int32(n) < 0 {
		return os.NewSyscallError("wsapoll", errno)
	}
	if n == 0 || poll.revents&(pollError|pollHangUp) == 0 {
		return nil
	}
	if err := unblock(socket); err != nil {
		return os.NewSyscallError("wsaioctl", err)
	}
	err := peekEnd(socket)
	if err == io.EOF {
		err = lostError(socket, poll.revents)
	}
	return err
}

// unblock makes the socket non-blocking. Go's sockets block on Windows; a Read
// that is under way could be first in line, and hold this goroutine up with it.
// Go's own calls are overlapped, and not affected.
func unblock(socket windows.Handle) error {
	on := uint32(1)
	var returned uint32
	return windows.WSAIoctl(socket, fioNonBlocking, (*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &returned, nil, 0)
}

func peekEnd(socket windows.Handle) error {
	var b [1]byte
	var n, flags uint32 = 0, msgPeek
	buf := windows.WSABuf{Len: 1, Buf: &b[0]}
	err := windows.WSARecv(socket, &buf, 1, &n, &flags, nil, nil)
	switch {
	case errors.Is(err, windows.WSAEWOULDBLOCK), errors.Is(err, windows.WSAEMSGSIZE):
		return nil
	case err != nil:
		return os.NewSyscallError("wsarecv", err)
	case n == 0:
		return io.EOF
	}
	return nil
}

// lostError tells the end of a stream from a death whose error somebody else
// was given, and returns that error or io.EOF. Wine loses errors in this way:
// after a timeout SO_ERROR still has it, after a reset WSAPoll still says that
// there was one.
func lostError(socket windows.Handle, revents int16) error {
	errno, err := windows.GetsockoptInt(socket, windows.SOL_SOCKET, soError)
	switch {
	case err == nil && errno != 0:
		return os.NewSyscallError("wsarecv", syscall.Errno(errno))
	case revents&pollError != 0:
		return os.NewSyscallError("wsarecv", windows.WSAECONNRESET)
	}
	return io.EOF
}
