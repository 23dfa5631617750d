//go:build !unix

package pool

// readable cannot be known here.
func readable(uintptr) bool { return false }
