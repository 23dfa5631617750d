package hale

import (
	"bytes"
	"os"
	"runtime"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// Not parallel: it counts the descriptors of the process.
func TestAConnThatIsDroppedIsClosedAndTold(t *testing.T) {
	const n = 200
	before := descriptors(t)
	l := testnet.Listen(t) // whose backlog holds them: nothing is accepted
	told := make(chan DroppedInfo, n)
	d := &Dialer{
		KeepAlive: sockopt.Within(3 * time.Second), // so that the watch looks soon
		Observer:  &Observer{Dropped: func(info DroppedInfo) { told <- info }},
	}
	for range n {
		if _, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(told) < n || descriptors(t) > before+5 { // the watch has two
		if time.Now().After(deadline) {
			t.Fatalf("%d were told, %d descriptors are open, %d were before", len(told), descriptors(t), before)
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	if info := <-told; info.RemoteAddr.String() != l.Addr().String() || info.Open <= 0 {
		t.Errorf("%+v", info)
	}
}

// Not parallel: others keep the watch going. A test that looks for leaked goroutines
// finds none of the watch's soon after its last connection was collected.
func TestTheWatchEndsWithTheLastConnThatWasDropped(t *testing.T) {
	l := testnet.Listen(t)
	awaitNoWatch(t)                          // of a test before
	c, err := Dial("tcp", l.Addr().String()) // within 30 s: it is not looked at for 7
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, watching)
	runtime.KeepAlive(c)
	if took := awaitNoWatch(t); kernelNotifies && took > 900*time.Millisecond {
		t.Error("the watch went on for", took)
	}
}

func awaitNoWatch(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	for watching() {
		if time.Since(start) > 5*time.Second {
			t.Fatal("the watch goes on")
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// watching reports whether the goroutine of the watch runs.
func watching() bool {
	stacks := make([]byte, 1<<20)
	name := "deathwatch.(*watcher).run"
	if !kernelNotifies {
		name = "deathwatch.runSweep"
	}
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(name))
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
