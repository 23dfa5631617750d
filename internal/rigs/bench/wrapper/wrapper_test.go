package wrapper

import (
	"errors"
	"os"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/syscalls"
)

func TestMain(m *testing.M) {
	syscalls.Be(Parts())
	testnet.Main(m)
}

// All bytes that a call is to move are read by the peer, or the run would not end.
func TestEveryCallMovesItsBytes(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, o := range ops {
			t.Run(kind.name+"/"+o.name, func(t *testing.T) {
				t.Parallel()
				e, end, err := connect(kind.dialer)
				if err != nil {
					t.Fatal(err)
				}
				defer end()
				for _, size := range []int{64, 4 << 10, 64 << 10} {
					ns, err := o.both([]*ends{e}, size, time.Microsecond)
					if err != nil || ns[0] <= 0 {
						t.Fatalf("%d bytes: %v ns, %v", size, ns, err)
					}
				}
			})
		}
	}
}

func TestAReadOfAConnIsOneSystemCall(t *testing.T) {
	t.Parallel()
	windows, err := syscalls.Trace(t.Context(), partName("hale", ops[0]), "1024")
	if errors.Is(err, os.ErrPermission) {
		testnet.Missing(t, "the right to trace a process of its own: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := syscalls.Typical(windows).String(); got != "read" {
		t.Error(got)
	}
}
