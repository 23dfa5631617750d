package testnet

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Abort has the kernel end c, a connection of this process over IPv4, as "ss -K"
// does (sock_diag(7), SOCK_DESTROY): c's side is told ECONNABORTED, the peer is
// sent RST. It ends the test by [Missing] where the machine does not allow that.
func Abort(t testing.TB, c net.Conn) {
	t.Helper()
	err := destroy(c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort())
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, os.ErrPermission):
		Missing(t, "the right to abort a connection (CONFIG_INET_DIAG_DESTROY): "+err.Error())
	case errors.Is(err, unix.ENOENT): // it is over already
	case err != nil:
		t.Fatal(err)
	}
}

func destroy(local, remote netip.AddrPort) error {
	const sockDestroy = 21 // linux/sock_diag.h
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	order := binary.NativeEndian
	request := order.AppendUint32(nil, 0) // struct nlmsghdr
	request = order.AppendUint16(request, sockDestroy)
	request = order.AppendUint16(request, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	request = append(request, make([]byte, 8)...)
	request = append(request, unix.AF_INET, unix.IPPROTO_TCP, 0, 0) // struct inet_diag_req_v2
	request = order.AppendUint32(request, ^uint32(0))               // in any state
	request = binary.BigEndian.AppendUint16(request, local.Port())
	request = binary.BigEndian.AppendUint16(request, remote.Port())
	for _, addr := range []netip.AddrPort{local, remote} {
		four := addr.Addr().Unmap().As4()
		request = append(append(request, four[:]...), make([]byte, 12)...)
	}
	request = order.AppendUint32(request, 0)          // on any device
	request = order.AppendUint64(request, ^uint64(0)) // INET_DIAG_NOCOOKIE
	order.PutUint32(request, uint32(len(request)))
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	return netlinkAnswer(fd)
}
