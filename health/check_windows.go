package health

import (
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// pollFD is WSAPOLLFD of winsock2.h.
type pollFD struct {
	socket  windows.Handle
	events  int16
	revents int16
}

const (
	pollReadNormal = 0x0100 // POLLRDNORM: data, a close or an error is there
	msgPeek        = 0x2    // MSG_PEEK
)

var wsaPoll = windows.NewLazySystemDLL("ws2_32.dll").NewProc("WSAPoll")

// peek looks at the first byte without taking it. Go's sockets block on
// Windows (they use overlapped I/O), so it asks first whether there is
// anything to receive.
func peek(fd uintptr) error {
	poll := pollFD{socket: windows.Handle(fd), events: pollReadNormal}
	n, _, errno := wsaPoll.Call(uintptr(unsafe.Pointer(&poll)), 1, 0)
	if int32(n) < 0 {
		return os.NewSyscallError("wsapoll", errno)
	}
	if n == 0 || poll.revents == 0 {
		return nil
	}
	return peekReady(windows.Handle(fd))
}

func peekReady(socket windows.Handle) error {
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
