//go:build !linux

package sockopt

func readRetries2() uint8 { return 0 }
