package health

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// errnoCauses is what each error of a connected socket says on its own:
// Winsock's real numbers (the ones in package syscall are invented), and
// the Win32 codes that overlapped I/O sometimes gives in their place.
var errnoCauses = map[syscall.Errno]Cause{
	windows.WSAENETRESET:              KeepAliveTimeout, // "broken due to keep-alive activity"
	windows.WSAETIMEDOUT:              KeepAliveTimeout,
	windows.ERROR_SEM_TIMEOUT:         KeepAliveTimeout,
	windows.WSAECONNRESET:             Reset,
	windows.ERROR_NETNAME_DELETED:     Reset,
	windows.WSAECONNABORTED:           SendTimeout, // "terminated due to a time-out or other failure"
	windows.ERROR_CONNECTION_ABORTED:  SendTimeout,
	windows.WSAESHUTDOWN:              PeerClosed,
	windows.WSAENOTCONN:               PeerClosed,
	windows.ERROR_BROKEN_PIPE:         PeerClosed,
	windows.WSAEHOSTUNREACH:           Unreachable,
	windows.WSAENETUNREACH:            Unreachable,
	windows.WSAEHOSTDOWN:              Unreachable,
	windows.WSAENETDOWN:               Unreachable,
	windows.ERROR_NETWORK_UNREACHABLE: Unreachable,
	windows.ERROR_HOST_UNREACHABLE:    Unreachable,
	syscall.ETIMEDOUT:                 KeepAliveTimeout,
	syscall.ECONNRESET:                Reset,
	syscall.EPIPE:                     PeerClosed,
}

func errnoCause(err error) Cause {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Unknown
	}
	return errnoCauses[errno]
}

func timedOut(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errnoCauses[errno] == KeepAliveTimeout
}
