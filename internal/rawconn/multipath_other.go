//go:build !linux

package rawconn

// MultipathReset is not known on this system.
func MultipathReset(uintptr) error { return nil }
