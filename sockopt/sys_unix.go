//go:build aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package sockopt

import "golang.org/x/sys/unix"

// descriptor is the file descriptor of a socket.
type descriptor uintptr

var _ socket = descriptor(0)

func (d descriptor) set(o Op) error {
	level, number := optionNumbers(o)
	return unix.SetsockoptInt(int(d), level, number, o.Value)
}

func (d descriptor) get(o Op) (int, error) {
	level, number := optionNumbers(o)
	return unix.GetsockoptInt(int(d), level, number)
}

// lacks is for Windows alone; elsewhere there is no second way to try.
func (descriptor) lacks(error) bool { return false }

// optionNumbers returns the plan's numbers, but for SO_KEEPALIVE, whose
// numbers differ by architecture on Linux (mips, sparc).
func optionNumbers(o Op) (level, number int) {
	if o.Field == FieldKeepAlive {
		return unix.SOL_SOCKET, unix.SO_KEEPALIVE
	}
	return o.LevelNumber, int(o.Number)
}
