package otelhale

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// errnoType knows Winsock's real numbers; those in package syscall are
// invented.
func errnoType(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	switch errno {
	case windows.WSAECONNREFUSED, windows.ERROR_CONNECTION_REFUSED, syscall.ECONNREFUSED:
		return errRefused
	case windows.WSAETIMEDOUT, windows.ERROR_SEM_TIMEOUT, syscall.ETIMEDOUT:
		return errTimeout
	case windows.WSAEADDRNOTAVAIL:
		return errNoAddress
	case windows.WSAEMFILE:
		return errNoFiles
	case windows.WSAEACCES:
		return errPermission
	}
	return ""
}
