//go:build !linux

package main

import (
	"errors"
	"os"
	"syscall"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

func suspend(*os.Process) error { return errors.ErrUnsupported }

// errnoName knows the error of a death by silence, which is what -addr is for.
func errnoName(err error) string {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return "ETIMEDOUT"
	}
	return ""
}
