//go:build unix

package rawconn

import (
	"os"

	"golang.org/x/sys/unix"
)

func isStream(fd uintptr) (bool, error) {
	kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	return kind == unix.SOCK_STREAM, os.NewSyscallError("getsockopt", err)
}
