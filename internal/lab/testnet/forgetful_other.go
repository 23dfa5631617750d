//go:build !linux || (!amd64 && !arm64)

package testnet

import (
	"errors"
	"syscall"
)

// ForgetFilters is for other systems.
func ForgetFilters(syscall.Errno) error { return errors.ErrUnsupported }
