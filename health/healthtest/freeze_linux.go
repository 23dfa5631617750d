package healthtest

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attachDropAll attaches the one-instruction classic BPF program "ret 0",
// which keeps 0 bytes of each packet: the kernel drops the segment in
// tcp_filter(), before any TCP processing (socket(7), SO_ATTACH_FILTER).
func attachDropAll(fd uintptr) error {
	if err := mustBePlainTCP(fd); err != nil {
		return err
	}
	dropAll := [1]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	prog := unix.SockFprog{Len: uint16(len(dropAll)), Filter: &dropAll[0]}
	err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("a socket filter on TCP needs CAP_NET_ADMIN over the network namespace, "+
			"which Isolate gives to a process: %w", err)
	}
	if err != nil {
		return err
	}
	if err := kernelKeepsFilters(); err != nil {
		return errors.Join(err, detach(fd)) // what failed has frozen nobody
	}
	return nil
}

// kernelKeepsFilters reads a filter back, of a socket that nobody else has: there are
// kernels that take one and do not know what it is for (gVisor).
func kernelKeepsFilters() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	filter := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &filter}); err != nil {
		return err
	}
	const getFilter = unix.SO_ATTACH_FILTER // SO_GET_FILTER; the length is in instructions
	var n uint32
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, getFilter, 0, uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 || n != 1 {
		return fmt.Errorf("this kernel takes a socket filter and does not keep it: %w", errors.ErrUnsupported)
	}
	return nil
}

// mustBePlainTCP refuses sockets that take the filter and ignore it (Unix
// stream sockets) and names the reason where Multipath TCP does not take it.
func mustBePlainTCP(fd uintptr) error {
	proto, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
	switch {
	case err != nil:
		return err
	case proto == unix.IPPROTO_MPTCP:
		return errors.New("a Multipath TCP socket takes no filter: " +
			"use SetMultipathTCP(false) on the net.ListenConfig or net.Dialer")
	case proto != unix.IPPROTO_TCP:
		return fmt.Errorf("not a TCP socket (IP protocol %d)", proto)
	}
	return nil
}

// detach removes the filter. ENOENT says that there is none: another thaw of
// the same socket came first.
func detach(fd uintptr) error {
	err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// canFreeze tries on a socket of its own what Freeze needs. That is surer than
// reading capabilities: what counts is the user namespace that owns the
// network namespace, and kernels differ in what they ask for.
func canFreeze() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return attachDropAll(uintptr(fd))
}
