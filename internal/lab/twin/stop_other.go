//go:build !linux

package twin

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
