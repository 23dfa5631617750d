//go:build unix && !linux

package pool

import "syscall"

func readable(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err == nil && n > 0
}
