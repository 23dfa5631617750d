package syscalls_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/syscalls"
)

func TestMain(m *testing.M) {
	syscalls.Be(map[string]syscalls.Part{"shutdown": shutdowns, "fail": func(string, func(func())) error { return errors.New("it was to fail") }})
	testnet.Main(m)
}

// shutdowns makes calls inside and outside of windows.
func shutdowns(argument string, count func(func())) error {
	if argument != "an argument" {
		return errors.New(argument)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	for range 5 {
		_ = unix.Shutdown(fd, unix.SHUT_RD)
		count(func() {
			_ = unix.Shutdown(fd, unix.SHUT_RD)
			_ = unix.Shutdown(fd, unix.SHUT_WR)
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7)
		})
	}
	return nil
}

func TestCallsOfAWindowAreCounted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	windows, err := syscalls.Trace(ctx, "shutdown", "an argument")
	if errors.Is(err, os.ErrPermission) {
		testnet.Missing(t, "the right to trace a process of its own: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	typical := syscalls.Typical(windows)
	if got := typical.String(); len(windows) != 5 || got != "setsockopt TCP_KEEPIDLE, 2 × shutdown" || typical.Total() != 3 {
		t.Errorf("%d windows, %q", len(windows), got)
	}
}

func TestAPartThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	_, err := syscalls.Trace(t.Context(), "fail", "")
	if errors.Is(err, os.ErrPermission) {
		testnet.Missing(t, "the right to trace a process of its own: "+err.Error())
	}
	if err == nil || !strings.Contains(err.Error(), "fail") {
		t.Error(err)
	}
}

func TestWhatIsNowAndThenIsNotTypical(t *testing.T) {
	t.Parallel()
	got := syscalls.Typical([]syscalls.Window{{"read": 2}, {"read": 2, "write": 1}, {"read": 3}})
	if got.String() != "2 × read" {
		t.Error(got)
	}
}
