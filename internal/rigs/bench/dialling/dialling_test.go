package dialling

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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
	for _, kind := range allKinds {
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
	windows, err := syscalls.Trace(t.Context(), partName(len(allKinds)-1), s.Addr)
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
	for _, option := range []string{"SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"} {
		if set, got := typical["setsockopt "+option], typical["getsockopt "+option]; set != 1 || got != 1 {
			t.Errorf("%s is set %d times and read %d times: %v", option, set, got, typical)
		}
	}
}

func TestAStackBelongsToTheFirstPartThatKnowsIt(t *testing.T) {
	t.Parallel()
	for want, stack := range map[string][]string{
		"memory":     {"runtime.memclr", "runtime.mallocgc", "example.com/hale.(*Conn).apply"},
		"connect(2)": {"syscall.RawSyscall", "syscall.Connect", "net.(*netFD).connect"},
		"TCP_INFO read, the pace set, six options read back": {"syscall.Syscall6", "example.com/hale/sockopt.descriptor.get", "example.com/hale.(*Conn).apply", "example.com/hale.(*Dialer).adopt"},
		"the rest": {"example.com/hale.(*Dialer).adopt"},
	} {
		if got := parts[partOf(stack)].name; got != want {
			t.Errorf("%v is %s, not %s", stack, got, want)
		}
	}
}

func TestAProfileHasTheDialsOfEachKind(t *testing.T) {
	s, err := fake.Start(fake.Silent)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	own := len(allKinds) - 1
	connect, set := partOf([]string{"syscall.Connect"}), partOf([]string{"example.com/hale.(*Conn).apply"})
	for start := time.Now(); ; { // samples are few
		costs, err := profiled(t.Context(), 300*time.Millisecond, s.Addr, 0, own)
		if err != nil {
			t.Fatal(err)
		}
		if costs[0].dials != costs[own].dials || costs[0].spent[set] > 0 {
			t.Fatalf("%+v, %+v", costs[0], costs[own])
		}
		if costs[0].spent[connect] > 0 && costs[own].spent[connect] > 0 {
			return
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("a connect is not seen: %+v, %+v", costs[0], costs[own])
		}
	}
}

func TestWhatADialTakesLongerForIsNamed(t *testing.T) {
	t.Parallel()
	few := &cost{dials: 1000, spent: make([]time.Duration, len(parts)), seen: make([]int, len(parts))}
	many := &cost{dials: 1000, spent: slices.Clone(few.spent), seen: few.seen}
	many.spent[6], many.spent[7], many.spent[0] = 12*time.Millisecond, 4*time.Millisecond, 2*time.Millisecond
	got := account(few, many, 500, []figure.Sample{{40_000}})
	for i, want := range []string{"samples", parts[6].name + " (12.0 µs), " + parts[7].name + " (4.00 µs) and " + parts[0].name + " (2.00 µs).", "takes 500 ns for each, and 5 % of net.Dialer's time has room for 4"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("%s\ndoes not say %s", got[i], want)
		}
	}
}
