//go:build unix || js || wasip1

package errno

import (
	"errors"
	"syscall"
)

var kinds = map[syscall.Errno]Kind{
	syscall.ETIMEDOUT:     TimedOut,
	syscall.ECONNRESET:    Reset,
	syscall.EPIPE:         Broken,
	syscall.ENOTCONN:      Subflows,
	syscall.EHOSTUNREACH:  Unreachable,
	syscall.ENETUNREACH:   Unreachable,
	syscall.ENETDOWN:      Unreachable,
	syscall.ENETRESET:     Unreachable,
	syscall.ECONNABORTED:  Aborted, // "ss -K", Android when the network changes
	syscall.ECONNREFUSED:  Refused,
	syscall.EACCES:        Denied,
	syscall.ENOPROTOOPT:   Prohibited,
	syscall.EPROTO:        Prohibited,
	syscall.EADDRNOTAVAIL: NoAddress,
	syscall.EMFILE:        NoFiles,
	syscall.ENFILE:        NoFiles,
}

// Of returns what the number in err says.
func Of(err error) Kind {
	number, _ := errors.AsType[syscall.Errno](err)
	return kinds[number]
}
