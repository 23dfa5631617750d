package service

import (
	"os"
	"syscall"
)

// quit ends a program that does not put things in order first.
const quit = syscall.SIGQUIT

// nobody is the user and the group that own nothing.
const nobody = 65534

// attributes make a program die with this process, and be nobody's if this one
// is root's.
func attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return a
}

// handOver gives a file or folder to the user that programs run as.
func handOver(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}
