//go:build !linux

package tcpretries

// Setting returns zero: this system has no such setting.
func Setting() uint8 { return 0 }

// Of returns zero as well.
func Of(uintptr) uint8 { return 0 }
