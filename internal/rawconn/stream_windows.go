package rawconn

import (
	"os"

	"golang.org/x/sys/windows"
)

const soType = 0x1008 // SO_TYPE of winsock2.h

func isStream(fd uintptr) (bool, error) {
	kind, err := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soType)
	return kind == windows.SOCK_STREAM, os.NewSyscallError("getsockopt", err)
}
