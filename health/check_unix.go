//go:build unix

package health

import (
	"io"
	"os"
	"syscall"
)

// peek looks at the first byte without taking it; Go's sockets never block.
func peek(fd uintptr) error {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return nil
		case err != nil:
			return os.NewSyscallError("recvfrom", err)
		case n == 0:
			return io.EOF
		}
		return nil
	}
}
