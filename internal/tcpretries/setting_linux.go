package tcpretries

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Setting returns net.ipv4.tcp_retries2 of this thread's network
// namespace, and zero if it cannot be read.
func Setting() uint8 {
	fd, err := unix.Open("/proc/sys/net/ipv4/tcp_retries2", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var buf [8]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return 0
	}
	return parse(string(buf[:max(n, 0)]))
}

// parse: a count of 0 is as good as 1, since the kernel looks at it only
// once a retransmission is due.
func parse(s string) uint8 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 8)
	if err != nil {
		return 0
	}
	return uint8(max(n, 1))
}

// fresh is for how long what was read is taken for what would be read now: a
// connection that was made before a change does not know of it either.
const fresh = time.Second

// reading is what was read of a network namespace.
type reading struct {
	cookie  uint64
	setting uint8
	at      time.Time
}

// last is of the namespace in which a socket was asked for last; most processes have
// one.
var last atomic.Pointer[reading]

// Of is Setting for a socket that this thread has made: of a namespace it is read at
// most once a second, which saves two files out of three system calls at each dial.
func Of(fd uintptr) uint8 {
	cookie := namespaceOf(int(fd))
	if r := last.Load(); r != nil && cookie != 0 && r.cookie == cookie && time.Since(r.at) < fresh {
		return r.setting
	}
	now := &reading{cookie, Setting(), time.Now()}
	if cookie != 0 && cookie == ownNamespace() { // the thread may have gone to another since
		last.Store(now)
	}
	return now.setting
}

// namespaceOf names the network namespace of a socket, by SO_NETNS_COOKIE; zero
// before Linux 5.14.
func namespaceOf(fd int) uint64 {
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

// ownNamespace names that of this thread.
func ownNamespace() uint64 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	return namespaceOf(fd)
}
