package tcpretries

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Setting returns net.ipv4.tcp_retries2 of this thread's network
// namespace, and zero if it cannot be read. Every dial asks, and package os
// takes half as long again.
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
