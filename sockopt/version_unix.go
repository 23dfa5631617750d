//go:build aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package sockopt

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// osVersion asks uname(2). Solaris keeps the number that people know it by in
// the version, AIX splits it over version and release.
func osVersion() version {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return version{}
	}
	release, major := unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:])
	switch runtime.GOOS {
	case "solaris":
		return parseVersion(major)
	case "aix":
		return parseVersion(major + "." + release)
	}
	return parseVersion(release)
}
