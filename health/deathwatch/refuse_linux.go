//go:build linux && !hale_sweep

package deathwatch

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

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
		case protocol == unix.IPPROTO_MPTCP && rawconn.IsMultipath(fd):
			return errMultipath
		}
		return nil
	})
}

var errMultipath = fmt.Errorf("deathwatch: the kernel tells of the first subflow of a Multipath TCP connection only: %w", errors.ErrUnsupported)

// filled: the kernel has filled TCP_INFO once, and so does it for all.
var filled atomic.Bool

// tellsLittle reports whether the kernel does not fill TCP_INFO: a connection has a
// segment size and a path MTU on all that do.
func tellsLittle(s Subject) (little bool) {
	if filled.Load() {
		return false
	}
	_ = rawconn.Control(s.Socket(), func(fd uintptr) error {
		t, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		little = err != nil || !fills(t)
		if !little {
			filled.Store(true)
		}
		return nil
	})
	return little
}

// fills is for tests to change.
var fills = func(t *unix.TCPInfo) bool { return t.Snd_mss > 0 || t.Pmtu > 0 }
