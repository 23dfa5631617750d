//go:build !plan9

package otelhale

import (
	"net"
	"os"
	"syscall"
)

var errConnRefused error = syscall.ECONNREFUSED

func errnoCases() []errorCase {
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	return []errorCase{
		{dial(syscall.ECONNREFUSED), "connection_refused"},
		{dial(syscall.ETIMEDOUT), "timeout"},
		{dial(syscall.ECONNRESET), "reset"},
	}
}
