//go:build unix && !linux

package pool

import "syscall"

const canPeek = true

// peek looks at the first bytes without taking them.
func peek(fd uintptr, head *[recordHeader]byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), head[:], syscall.MSG_PEEK)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		err = errNothing
	}
	return n, err
}
