package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is the first process: it makes the machine ready, runs this program in
// its role, and switches off.
func machine(address string, role []string) {
	if err := prepare(address); err != nil {
		fmt.Println("guest: not ready:", err)
		off()
	}
	fmt.Println("booted", release())
	cmd := exec.Command("/init", role...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TMPDIR=/tmp"}
	fmt.Println("ended", cmd.Run())
	off()
}

// off switches off, when what was printed has left.
func off() {
	unix.Sync()
	time.Sleep(100 * time.Millisecond)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

func prepare(address string) error {
	for _, m := range []struct{ what, where string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(m.what, m.where, m.what, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.what, err)
		}
	}
	// As every Linux has it, and some programs want it.
	_ = os.Symlink("/proc/self/fd", "/dev/fd")
	_ = os.Chmod("/tmp", 0o1777)
	loadModules()
	if err := up("lo", netip.MustParsePrefix("127.0.0.1/8")); err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return err
	}
	return up("eth0", prefix)
}

// loadModules loads what lies in /modules. They need each other, in an order that
// nobody has written down: those that could not be loaded are tried again.
func loadModules() {
	left, _ := filepath.Glob("/modules/*.ko")
	for range 8 {
		left = slices.DeleteFunc(left, func(path string) bool { return load(path) == nil })
	}
	if len(left) > 0 {
		fmt.Println("not loaded:", strings.Join(left, " "))
	}
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != unix.EEXIST {
		return err
	}
	return nil
}

// up gives a device its address, once it is there, and takes it up.
func up(device string, address netip.Prefix) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	for range 200 {
		if err = configure(fd, device, address); err != unix.ENODEV {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}

// configure is netdevice(7).
func configure(fd int, device string, address netip.Prefix) error {
	ip := address.Addr().As4()
	mask := [4]byte{}
	for i := range address.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	for _, set := range []struct {
		request uint
		value   func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(ip[:]) }},
		{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		{unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		r, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		if err := set.value(r); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, set.request, r); err != nil {
			return err
		}
	}
	return nil
}
