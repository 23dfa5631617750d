//go:build !linux

package service

import (
	"os"
	"syscall"
)

// quit stands for SIGQUIT, which not all systems have.
var quit = os.Interrupt

// attributes are what the system gives: a program runs as this process's user,
// and may survive it if that one is killed.
func attributes() *syscall.SysProcAttr { return nil }

// handOver has nothing to do: programs run as this process's user.
func handOver(string) error { return nil }
