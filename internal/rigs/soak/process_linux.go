package main

import (
	"os"
	"syscall"
	"time"
)

// bound makes a process die with this one, and apart from its terminal: an
// interrupt is for the parent.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func (p *process) stop() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

func (p *process) cont() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// stopFor stops another process for a time.
func stopFor(pid int, d time.Duration) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return syscall.Kill(pid, syscall.SIGCONT)
}

// countFDs counts the descriptors of this process.
func countFDs() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries) - 1, err // without the one that reads
}
