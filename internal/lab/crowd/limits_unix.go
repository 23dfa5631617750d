//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package crowd

import (
	"syscall"
	"time"
)

// spare is how many descriptors the program needs besides.
const spare = 32

// MaxConns raises the limit of open files as far as it goes, and returns how
// many connections that is good for.
func MaxConns() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return spare
	}
	soft := limit.Cur
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = soft
	}
	return int(min(limit.Cur, 1<<30)) - spare
}

// CPUTime returns how much time this process has spent on all cores.
func CPUTime() (time.Duration, error) {
	var used syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}
