package sockopt

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"
)

// descriptor is the handle of a socket.
type descriptor windows.Handle

var _ socket = descriptor(0)

func (d descriptor) set(o Op) error {
	if o.Call == callIoctl {
		return d.setVals(o)
	}
	return windows.SetsockoptInt(windows.Handle(d), o.LevelNumber, int(o.Number), o.Value)
}

// setVals passes struct tcp_keepalive of mstcpip.h.
func (d descriptor) setVals(o Op) error {
	in := windows.TCPKeepalive{OnOff: o.Words[0], Time: o.Words[1], Interval: o.Words[2]}
	var returned uint32
	return windows.WSAIoctl(windows.Handle(d), o.Number, (*byte)(unsafe.Pointer(&in)),
		uint32(unsafe.Sizeof(in)), nil, 0, &returned, nil, 0)
}

// get relies on GetsockoptInt's buffer being four zeroed bytes: SO_KEEPALIVE
// fills one of them.
func (d descriptor) get(o Op) (int, error) {
	return windows.GetsockoptInt(windows.Handle(d), o.LevelNumber, int(o.Number))
}

// lacks reports whether err means that this Windows has no such option,
// whatever its version claims.
func (descriptor) lacks(err error) bool { return errors.Is(err, windows.WSAENOPROTOOPT) }
