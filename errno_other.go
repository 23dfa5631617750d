//go:build !unix && !windows

package hale

import "errors"

// errBroken is what a Write gives that comes too late, on Unix and Windows.
var errBroken = errors.New("unused")
