package errno

import (
	"errors"
	"syscall"
)

// Of knows one thing by name: errors are words on Plan 9.
func Of(err error) Kind {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return TimedOut
	}
	return None
}
