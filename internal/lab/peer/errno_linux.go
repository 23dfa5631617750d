package peer

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func errnoName(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return unix.ErrnoName(errno)
	}
	return ""
}
