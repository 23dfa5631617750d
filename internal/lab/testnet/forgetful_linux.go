//go:build amd64 || arm64

package testnet

import (
	"errors"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ForgetFilters makes of the kernel, for this process and those that it starts, one
// that takes a socket filter and does not keep it, as gVisor's. Who asks for the
// filter gets the error asked, or, if that is 0, that there is none. It cannot be
// undone.
func ForgetFilters(asked unix.Errno) error {
	calls := onFilters(unix.SYS_SETSOCKOPT, 0)
	if asked != 0 {
		calls = append(calls, onFilters(unix.SYS_GETSOCKOPT, asked)...)
	}
	calls = append(calls, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	return filterCalls(calls)
}

// onFilters answers a system call about a socket filter without making it. The
// numbers are places in struct seccomp_data, and how many instructions to pass over.
func onFilters(call uint32, answer unix.Errno) []unix.SockFilter {
	return slices.Concat(
		unless(0, call, 5),
		unless(24, unix.SOL_SOCKET, 3),
		unless(32, unix.SO_ATTACH_FILTER, 1), // SO_GET_FILTER is the same
		[]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(answer)}},
	)
}

func unless(at, is uint32, pass uint8) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: is, Jf: pass},
	}
}

// filterCalls applies a filter of system calls to every thread (seccomp(2)).
func filterCalls(calls []unix.SockFilter) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(calls)), Filter: &calls[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return errors.New("a thread has another filter of system calls")
	}
	return nil
}
