package errno

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// kinds has Winsock's real numbers (most of those in package syscall are
// invented), and the Win32 codes that overlapped I/O sometimes gives in their
// place.
var kinds = map[syscall.Errno]Kind{
	windows.WSAENETRESET:              TimedOut, // "broken due to keep-alive activity"
	windows.WSAETIMEDOUT:              TimedOut,
	windows.ERROR_SEM_TIMEOUT:         TimedOut,
	syscall.ETIMEDOUT:                 TimedOut,
	windows.WSAECONNABORTED:           SendTimedOut, // "terminated due to a time-out or other failure"
	windows.ERROR_CONNECTION_ABORTED:  SendTimedOut,
	windows.WSAECONNRESET:             Reset,
	windows.ERROR_NETNAME_DELETED:     Reset,
	syscall.ECONNRESET:                Reset,
	windows.WSAESHUTDOWN:              Broken,
	windows.WSAENOTCONN:               Ended,
	windows.ERROR_BROKEN_PIPE:         Ended,
	syscall.EPIPE:                     Ended,
	windows.WSAEHOSTUNREACH:           Unreachable,
	windows.WSAENETUNREACH:            Unreachable,
	windows.WSAEHOSTDOWN:              Unreachable,
	windows.WSAENETDOWN:               Unreachable,
	windows.ERROR_NETWORK_UNREACHABLE: Unreachable,
	windows.ERROR_HOST_UNREACHABLE:    Unreachable,
	windows.WSAECONNREFUSED:           Refused,
	windows.ERROR_CONNECTION_REFUSED:  Refused,
	syscall.ECONNREFUSED:              Refused,
	windows.WSAEADDRNOTAVAIL:          NoAddress,
	windows.WSAEMFILE:                 NoFiles,
	windows.WSAEACCES:                 Denied,
}

// Of returns what the number in err says.
func Of(err error) Kind {
	number, _ := errors.AsType[syscall.Errno](err)
	return kinds[number]
}
