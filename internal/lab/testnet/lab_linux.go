package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The network devices of a host in a chain: Left leads to the host before it,
// Right to the host after it.
const (
	Left  = "left"
	Right = "right"
)

// setupTimeout bounds every run of the ip command, which takes milliseconds.
const setupTimeout = 10 * time.Second

// Host is a machine in a chain of machines: a network namespace of its own,
// with its own devices, addresses, routes and ports. It lives until the test
// ends. A Host is safe for concurrent use.
type Host struct {
	t     testing.TB
	index int
	ns    *os.File // keeps the namespace alive; no thread stays in it
}

// NewChain makes n hosts (2 to 254), each joined to the next by a cable (a
// veth pair), and the ones in between routers, so that all reach all by IPv4.
// The cable between host i and host i+1 is the network 10.77.i.0/24, with .1
// at the Right of host i and .2 at the Left of host i+1.
//
// It ends the test by [Missing] without the ip command (Debian: iproute2) or
// the right to make network namespaces (root has it, and a process under
// [healthtest.Isolate]). Nothing has a name outside this process: the
// namespaces go when the test ends, and when the process is killed.
func NewChain(t testing.TB, n int) []*Host {
	t.Helper()
	hosts := make([]*Host, n)
	for i := range hosts {
		hosts[i] = newHost(t, i)
	}
	for i, h := range hosts[:n-1] {
		h.cable(hosts[i+1])
	}
	for _, h := range hosts {
		h.routes(n)
	}
	return hosts
}

func newHost(t testing.TB, index int) *Host {
	t.Helper()
	var ns *os.File
	var err error
	onOwnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
	})
	if errors.Is(err, os.ErrPermission) {
		Missing(t, "the right to make network namespaces (CAP_SYS_ADMIN)")
	}
	if err != nil {
		t.Fatal("new network namespace:", err)
	}
	t.Cleanup(func() { ns.Close() })
	h := &Host{t: t, index: index, ns: ns}
	h.IP("link set lo up")
	return h
}

// cable lays the cable from the Right of h to the Left of next.
func (h *Host) cable(next *Host) {
	h.t.Helper()
	h.ip(next.ns, "link add "+Right+" type veth peer name "+Left+" netns /proc/self/fd/3")
	h.IP("addr add " + h.Addr(Right) + "/24 dev " + Right)
	h.IP("link set " + Right + " up")
	next.IP("addr add " + next.Addr(Left) + "/24 dev " + Left)
	next.IP("link set " + Left + " up")
}

// routes leads from h to each of the chain's networks that it is not on.
func (h *Host) routes(n int) {
	h.t.Helper()
	for network := 0; network < n-1; network++ {
		switch {
		case network < h.index-1:
			h.IP(fmt.Sprintf("route add 10.77.%d.0/24 via 10.77.%d.1", network, h.index-1))
		case network > h.index:
			h.IP(fmt.Sprintf("route add 10.77.%d.0/24 via 10.77.%d.2", network, h.index))
		}
	}
	if 0 < h.index && h.index < n-1 {
		h.Sysctl("net/ipv4/ip_forward", "1")
	}
}

// Addr is the IPv4 address that NewChain gave to the host's Left or Right.
func (h *Host) Addr(device string) string {
	if device == Left {
		return fmt.Sprintf("10.77.%d.2", h.index-1)
	}
	return fmt.Sprintf("10.77.%d.1", h.index)
}

// Do runs f on a thread of the host and returns its error. Sockets that f
// makes, and programs that it starts, belong to the host. That holds for f's
// own goroutine only: goroutines that f starts run outside, and so does a dial
// to a name (an address is dialled on the goroutine that asks). f must not end
// the test: no t.Fatal in it.
func (h *Host) Do(f func() error) error {
	var err error
	onOwnThread(func() {
		if err = unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err == nil {
			err = f()
		}
	})
	return err
}

// Dial dials address, an IP address and a port, from the host. The caller
// closes the connection.
func (h *Host) Dial(ctx context.Context, d *net.Dialer, address string) (c net.Conn, err error) {
	err = h.Do(func() error {
		c, err = d.DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

// Listen listens on address, in the manner of the function [Listen]: plain
// TCP, and closed when the test ends. What it accepts belongs to the host.
func (h *Host) Listen(address string) *net.TCPListener {
	h.t.Helper()
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = lc.Listen(context.Background(), "tcp", address)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// IP runs the ip command with args, separated by spaces, on the host; the test
// fails if ip does. It is how a test breaks the network in its own way:
//
//	h.IP("addr del " + h.Addr(testnet.Left) + "/24 dev left")
//	h.IP("route del 10.77.1.0/24")
func (h *Host) IP(args string) {
	h.t.Helper()
	h.ip(nil, args)
}

// ip runs the ip command; file, if any, is its descriptor 3.
func (h *Host) ip(file *os.File, args string) {
	h.t.Helper()
	path, err := lookIP()
	if err != nil {
		Missing(h.t, "the ip command (Debian package iproute2)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, strings.Fields(args)...)
	if file != nil {
		cmd.ExtraFiles = []*os.File{file}
	}
	var out []byte
	err = h.Do(func() (err error) { out, err = cmd.CombinedOutput(); return err })
	if err != nil {
		h.t.Fatalf("host %d: ip %s: %v: %s", h.index, args, err, bytes.TrimSpace(out))
	}
}

// lookIP finds the ip command where Debian puts it, too: users other than root
// do not have sbin in their PATH.
func lookIP() (string, error) {
	if path, err := exec.LookPath("ip"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/ip")
}

// Sysctl writes value to the file name under /proc/sys, as the host has it.
func (h *Host) Sysctl(name, value string) {
	h.t.Helper()
	err := h.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
	if err != nil {
		h.t.Fatalf("host %d: %v", h.index, err)
	}
}

// Unplug pulls the cable at the host's device: the host knows at once (its
// routes over the device go), and the other end loses its carrier.
func (h *Host) Unplug(device string) {
	h.t.Helper()
	h.IP("link set " + device + " down")
}

// Plug puts the cable back. The route to the device's own network comes back
// with it; routes through neighbours have to be added again.
func (h *Host) Plug(device string) {
	h.t.Helper()
	h.IP("link set " + device + " up")
}

// BlackHole makes the host at the other end of the cable at device swallow
// everything without a word, as a firewall that drops does: h keeps sending to
// its hardware address, but its IP address is gone, so that it neither answers
// nor asks to be forgotten.
func (h *Host) BlackHole(device string, other *Host) {
	h.t.Helper()
	far := Left
	if device == Left {
		far = Right
	}
	h.IP("neigh replace " + other.Addr(far) + " lladdr " + other.hardwareAddr(far) +
		" dev " + device + " nud permanent")
	other.IP("addr del " + other.Addr(far) + "/24 dev " + far)
}

func (h *Host) hardwareAddr(device string) string {
	h.t.Helper()
	var addr string
	err := h.Do(func() error {
		dev, err := net.InterfaceByName(device)
		if err == nil {
			addr = dev.HardwareAddr.String()
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return addr
}

// onOwnThread runs f on a thread that ends with it, and waits: a thread that
// has changed its namespace must not run anything else. The main thread cannot
// end, and would keep the namespace; where the scheduler picks it, f moves on
// to another while this goroutine sits on it.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			onOwnThread(f)
			return
		}
		f()
	}()
	<-done
}
