//go:build unix

package health

import (
	"errors"
	"syscall"
)

// errnoCauses is what each error of a connected socket says on its own.
// EPIPE is a write after the peer closed, or after a death that was reported
// before. ENOTCONN is what is left of an MPTCP connection when its subflows
// have died of silence; the kernel keeps no trace of which silence it was.
var errnoCauses = map[syscall.Errno]Cause{
	syscall.ETIMEDOUT:    KeepAliveTimeout,
	syscall.ECONNRESET:   Reset,
	syscall.EPIPE:        PeerClosed,
	syscall.ENOTCONN:     KeepAliveTimeout,
	syscall.EHOSTUNREACH: Unreachable,
	syscall.ENETUNREACH:  Unreachable,
	syscall.EHOSTDOWN:    Unreachable,
	syscall.ENETDOWN:     Unreachable,
	syscall.ENETRESET:    Unreachable,
	syscall.ECONNABORTED: LocalClosed, // "ss -K", Android when the network changes
}

func errnoCause(err error) Cause {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Unknown
	}
	return errnoCauses[errno]
}

// timedOut is never needed here: ETIMEDOUT is found by unwrapping.
func timedOut(error) bool { return false }
