package dialling

import (
	"errors"
	"os"
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/syscalls"
)

func TestMain(m *testing.M) {
	syscalls.Be(Parts())
	testnet.Main(m)
}

// Keepalive is set and read back twice: by the Control function, before the connect, and
// with all else when the connection stands, which is what a Report is made of.
func TestADialSetsEachOptionByControlAndOnceMore(t *testing.T) {
	t.Parallel()
	s, err := fake.Start(fake.Silent)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	windows, err := syscalls.Trace(t.Context(), partName(len(kinds)-1), s.Addr)
	if errors.Is(err, os.ErrPermission) {
		testnet.Missing(t, "the right to trace a process of its own: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	typical := syscalls.Typical(windows)
	for _, option := range []string{"SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"} {
		if set, got := typical["setsockopt "+option], typical["getsockopt "+option]; set != 2 || got != 2 {
			t.Errorf("%s is set %d times and read %d times: %v", option, set, got, typical)
		}
	}
}
