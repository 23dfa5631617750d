//go:build !linux || (!amd64 && !arm64)

package testnet

import "errors"

// ForgetFilters is for other systems, whose error numbers are of other types.
func ForgetFilters[Errno ~int | ~uintptr](Errno) error { return errors.ErrUnsupported }
