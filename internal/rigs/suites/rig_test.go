package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// scratch is a suite with each thing that can become of a test.
const scratch = `package scratch

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

func dial(t *testing.T) net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.Close()
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPasses(t *testing.T)      { dial(t) }
func TestFailsAnyway(t *testing.T) { t.Fatal("anyway") }
func TestSkipped(t *testing.T)     { t.Skip() }

func TestWantsItsType(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network+" (a name [with brackets])", func(t *testing.T) {
			if got := fmt.Sprintf("%T", dial(t)); network == "tcp" && got != "*net.TCPConn" {
				t.Errorf("a %s", got)
			}
		})
	}
}

func TestPanics(t *testing.T) {
	t.Run("part", func(t *testing.T) { _ = dial(t).(*net.TCPConn) })
}

func TestAfterThePanic(t *testing.T) { dial(t) }

func TestSlower(t *testing.T) {
	if _, ok := dial(t).(*net.TCPConn); !ok {
		time.Sleep(1200 * time.Millisecond)
	}
}

func TestOnceOnly(t *testing.T) {
	if _, ok := dial(t).(*net.TCPConn); !ok {
		if os.Mkdir("once", 0o755) == nil {
			t.Error("this time")
		}
	}
}
`

func TestWhatFailsWithHaleAloneIsFound(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module scratch\n\ngo 1.26.0\n", "scratch_test.go": scratch} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := rig{options: options{again: 2}, folder: t.TempDir(), out: io.Discard, known: []known{
		{"scratch", "TestWantsItsType", fails, "asserts"},
		{"scratch", "TestPasses", fails, "stale"},
	}}
	var err error
	if r.overlay, err = newOverlay(t.Context(), r.folder); err != nil {
		t.Fatal(err)
	}
	if err := r.pkg(t.Context(), suite{timeout: time.Minute}, testPackage{path: "scratch", dir: folder, from: folder}); err != nil {
		t.Fatal(err)
	}
	a := r.done[0]
	var found []string
	for _, f := range a.findings {
		found = append(found, f.test)
		if isKnown := f.known != nil; isKnown == (f.test == "TestPanics/part") {
			t.Errorf("%s: known is %v", f.test, isKnown)
		}
	}
	if want := []string{"TestPanics/part", "TestWantsItsType/tcp_(a_name_[with_brackets])"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if !slices.Equal(a.failedBoth, []string{"TestFailsAnyway"}) {
		t.Errorf("failed anyway: %q", a.failedBoth)
	}
	if len(a.told) != 1 || len(a.slower) != 1 || len(a.stale) != 1 {
		t.Errorf("flaky: %q; slower: %q; stale: %q", a.told, a.slower, a.stale)
	}
	if a.passed != 5 || a.skipped != 1 || a.dialled < 6 || a.accepted < 6 {
		t.Errorf("passed %d, skipped %d, dialled %d, accepted %d", a.passed, a.skipped, a.dialled, a.accepted)
	}
}
