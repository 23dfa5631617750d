//go:build !linux

package testnet

// LinuxIs reports false: this is no Linux.
func LinuxIs(major, minor int) bool { return false }
