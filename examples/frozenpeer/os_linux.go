package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel kill a process when the thread that started it
// ends (prctl(2), PR_SET_PDEATHSIG).
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL} }

// suspend stops a child of this process and waits until it stands.
func suspend(p *os.Process) error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	var status unix.WaitStatus
	_, err := unix.Wait4(p.Pid, &status, unix.WUNTRACED, nil)
	for err == unix.EINTR {
		_, err = unix.Wait4(p.Pid, &status, unix.WUNTRACED, nil)
	}
	if err == nil && !status.Stopped() {
		err = fmt.Errorf("the peer's process has ended: wait status %#x", status)
	}
	return err
}

// errnoName returns the symbol of the error number in err, if there is one.
func errnoName(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return unix.ErrnoName(errno)
	}
	return ""
}
