package testnet

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// NeedLinux skips the test on a kernel that is older than the version since which
// there is what it is about. Unlike [Missing] it never fails: what a kernel does not
// have nobody can bring.
func NeedLinux(t testing.TB, major, minor int, what string) {
	t.Helper()
	if release, newer := linuxIs(major, minor); !newer {
		t.Skipf("SKIPPED: Linux %s is without %s, which came with %d.%d", release, what, major, minor)
	}
}

// LinuxIs reports whether the kernel is of that version, or newer.
func LinuxIs(major, minor int) bool {
	_, newer := linuxIs(major, minor)
	return newer
}

func linuxIs(major, minor int) (release string, newer bool) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		panic(err) // uname(2) has no error that could come here
	}
	release = unix.ByteSliceToString(u.Release[:])
	var has [2]int
	if _, err := fmt.Sscanf(release, "%d.%d", &has[0], &has[1]); err != nil {
		panic(fmt.Sprintf("uname says %q: %v", release, err))
	}
	return release, has[0] > major || has[0] == major && has[1] >= minor
}
