package dialling

import (
	"errors"
	"os"
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/syscalls"
)

func TestMain(m *testing.M) {
	syscalls.Be(Parts())
	testnet.Main(m)
}

// BenchmarkDial is for profiles:
//
//	go test -run '^$' -bench Dial/hale -benchtime 3s -cpuprofile cpu ./bench/dialling
func BenchmarkDial(b *testing.B) {
	s, err := fake.Start(fake.Silent)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	release, err := keepWatching(s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			if _, err := dials(b.Context(), kind.dialer, s.Addr, b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// Keepalive is set by the Control function, before the connect, and read back with all
// else when the connection stands, which is what a Report is made of.
func TestADialSetsEachOptionOnceAndReadsItBackOnce(t *testing.T) {
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
	if n := typical["openat"] + typical["getsockopt TCP_INFO"]; n > 1 {
		t.Errorf("asked more than once, or a file is read: %v", typical)
	}
	if typical["getsockopt SO_PROTOCOL"] > 0 {
		t.Errorf("what the dialer knows is asked for: %v", typical)
	}
	for _, option := range []string{"SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"} {
		if set, got := typical["setsockopt "+option], typical["getsockopt "+option]; set != 1 || got != 1 {
			t.Errorf("%s is set %d times and read %d times: %v", option, set, got, typical)
		}
	}
}

func TestThePartsOfADialAreSetBesideIt(t *testing.T) {
	t.Parallel()
	got := account([]figure.Sample{{2000}, {5000}, {2000}, {100}, {3000}}, []figure.Sample{{40_000}, {30_000}, {50_000}})
	for i, want := range []string{"is 7.10 µs; a whole dial takes 10.0 µs longer", "takes 500 ns here, and 5 % of net.Dialer's time has room for 4"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("%s\ndoes not say %s", got[i], want)
		}
	}
}
