//go:build linux && !hale_sweep

package deathwatch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// refuse returns the error for a socket that the watch would never tell of: it
// goes by TCP's state and counters.
func refuse(s Subject) error {
	return rawconn.Control(s.Socket(), func(fd uintptr) error {
		protocol, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		switch {
		case err != nil:
			return os.NewSyscallError("getsockopt", err)
		case protocol != unix.IPPROTO_TCP && protocol != unix.IPPROTO_MPTCP:
			return noSuchWatch(s)
		case rawconn.IsMultipath(fd):
			return errMultipath
		}
		return nil
	})
}

var errMultipath = fmt.Errorf("deathwatch: the kernel tells of the first subflow of a Multipath TCP connection only: %w", errors.ErrUnsupported)
