//go:build !linux

package peer

import (
	"errors"
	"syscall"
)

// errnoName knows the error of a death by silence, which is all that can be
// watched for here.
func errnoName(err error) string {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return "ETIMEDOUT"
	}
	return ""
}
