//go:build unix || js || wasip1

package otelhale

import (
	"errors"
	"syscall"
)

func errnoType(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return errRefused
	case syscall.ETIMEDOUT:
		return errTimeout
	case syscall.EADDRNOTAVAIL:
		return errNoAddress
	case syscall.EMFILE, syscall.ENFILE:
		return errNoFiles
	}
	return ""
}
