//go:build !unix && !windows

package health

import (
	"errors"
	"syscall"
)

// Plan 9 has strings for errors and js and wasip1 no real sockets: a timeout
// is all that can be known by name.
func errnoCause(err error) Cause {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return KeepAliveTimeout
	}
	return Unknown
}

func timedOut(error) bool { return false }
