package rawconn

import "golang.org/x/sys/unix"

// IsMultipath reports whether a socket speaks Multipath TCP with its peer, so that
// TCP_INFO is about its first subflow, which the connection may outlive. One that has
// fallen back to plain TCP does not; before Linux 5.16 nobody tells, and it is taken
// for that.
func IsMultipath(fd uintptr) bool {
	const solMPTCP, mptcpInfo = 284, 1 // linux/mptcp.h
	protocol, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_MPTCP {
		return false
	}
	_, err = unix.GetsockoptUint64(int(fd), solMPTCP, mptcpInfo) // its first bytes
	return err == nil
}

// MultipathReset returns ECONNRESET if a Multipath TCP connection is over in both
// directions: an end of the stream is the peer's then only if this side has closed its
// writing, and else what is left of an error. (After a FIN, too: recvmsg tells the error
// first there, mptcp_recvmsg.)
func MultipathReset(fd uintptr) error {
	if !IsMultipath(fd) {
		return nil
	}
	poll := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&unix.POLLHUP == 0 {
		return nil
	}
	return unix.ECONNRESET
}
