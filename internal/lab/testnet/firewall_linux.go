package testnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Firewall gives the host's packet filter these rules, in the language of
// nft(8), in place of those that it had; "" is an open door. It ends the test by
// [Missing] without the nft command (Debian: nftables); the test fails if nft
// does.
func (h *Host) Firewall(rules string) {
	h.t.Helper()
	path, err := lookSbin("nft")
	if err != nil {
		Missing(h.t, "the nft command (Debian package nftables)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-f", "-")
	cmd.Stdin = strings.NewReader("flush ruleset\n" + rules)
	var out []byte
	err = h.Do(func() (err error) { out, err = cmd.CombinedOutput(); return err })
	if err != nil {
		h.t.Fatalf("host %d: nft: %v: %s", h.index, err, bytes.TrimSpace(out))
	}
}

// ForgetFlows empties the host's table of the connections that it has seen
// (conntrack), as a firewall's timeout, reboot or failover does. The rules stay.
func (h *Host) ForgetFlows() {
	h.t.Helper()
	if err := h.Do(flushConntrack); err != nil {
		h.t.Fatalf("host %d: forget flows: %v", h.index, err)
	}
}

const (
	// deleteFlows is IPCTNL_MSG_CT_DELETE of linux/netfilter/nfnetlink_conntrack.h.
	// Without an attribute that names a flow it means them all.
	deleteFlows = 2
	// sizeofNfgenmsg is that of struct nfgenmsg in linux/netfilter/nfnetlink.h.
	sizeofNfgenmsg = 4
)

// flushConntrack does what "conntrack -F" does.
func flushConntrack() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const size = unix.SizeofNlMsghdr + sizeofNfgenmsg
	request := make([]byte, size) // the nfgenmsg is zero: every family
	binary.NativeEndian.PutUint32(request[0:], size)
	binary.NativeEndian.PutUint16(request[4:], unix.NFNL_SUBSYS_CTNETLINK<<8|deleteFlows)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return netlinkAnswer(fd)
}

// netlinkAnswer returns the error that an acknowledgement (NLMSG_ERROR) holds:
// a negative errno, or 0. The kernel has answered before sendto(2) returned.
func netlinkAnswer(fd int) error {
	var answer [unix.SizeofNlMsghdr + unix.SizeofNlMsgerr]byte
	n, _, err := unix.Recvfrom(fd, answer[:], unix.MSG_DONTWAIT)
	if err != nil {
		return err
	}
	if n < len(answer) {
		return unix.EBADMSG
	}
	if errno := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}

// lookSbin finds a command where Debian puts it, too: users other than root do
// not have sbin in their PATH.
func lookSbin(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}
