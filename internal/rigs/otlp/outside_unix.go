//go:build unix

package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstFD is above the descriptors that a started process gets by number.
const firstFD = 10

// handOver returns a descriptor of a socket that processes started from here
// on have too.
func handOver(socket any) (fd string, err error) {
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return "", err
	}
	var number int
	var failed error
	// F_DUPFD leaves FD_CLOEXEC off, fcntl(2).
	err = raw.Control(func(fd uintptr) { number, failed = unix.FcntlInt(fd, unix.F_DUPFD, firstFD) })
	if err == nil {
		err = failed
	}
	return strconv.Itoa(number), os.NewSyscallError("fcntl", err)
}

// inherited is the file with a descriptor; no further process has it.
func inherited(fd string) (*os.File, error) {
	number, err := strconv.Atoi(fd)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(number)
	return os.NewFile(uintptr(number), "socket"), nil
}
