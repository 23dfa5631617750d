//go:build !linux

package service

import "syscall"

// attributes are what the system gives: a program runs as this process's user,
// and may survive it if that one is killed.
func attributes() *syscall.SysProcAttr { return nil }

// handOver has nothing to do: programs run as this process's user.
func handOver(string) error { return nil }
