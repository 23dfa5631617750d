package promise

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
)

// device is the name of the network device at either end of the path.
const device = "far"

// openTUN makes a network device of the host whose packets this process reads
// and writes.
func openTUN(t testing.TB, h *testnet.Host) (packets *os.File) {
	t.Helper()
	err := h.Do(func() (err error) {
		packets, err = newTUN()
		return err
	})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		testnet.Missing(t, "/dev/net/tun, or the right to use it")
	}
	if err != nil {
		t.Fatal("tun:", err)
	}
	return packets
}

func newTUN() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Only now can it be polled.
	return os.NewFile(uintptr(fd), device), nil
}
