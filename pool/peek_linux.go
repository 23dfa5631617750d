package pool

import "golang.org/x/sys/unix"

// readable counts what the socket has received and nobody has read: SIOCINQ of
// tcp(7).
func readable(fd uintptr) bool {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	return err == nil && n > 0
}
