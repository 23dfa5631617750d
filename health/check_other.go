//go:build !unix && !windows

package health

import "errors"

func peek(uintptr) error { return errors.ErrUnsupported }
