//go:build !linux

package rawconn

// SawFIN is not known on this system.
func SawFIN(uintptr) (saw, known bool) { return false, false }
