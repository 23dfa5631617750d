package testnet

import (
	"errors"
	"net"
	"os"
	"testing"

	"example.com/hale/health/healthtest"
)

// NeedFreeze ends the test, by [Missing], unless this process may freeze
// peers. A test whose frozen connection comes late calls it first.
func NeedFreeze(t testing.TB) {
	t.Helper()
	_, server := Pair(t)
	Freeze(t, server)()
}

// Freeze is [healthtest.Freeze] for a test: it ends the test by Missing where
// the machine does not allow freezing, fails it on any other error, and thaws
// peer at the latest when the test ends. thaw may be called more than once,
// from the test's goroutine.
func Freeze(t testing.TB, peer net.Conn) (thaw func()) {
	t.Helper()
	undo, err := healthtest.Freeze(peer)
	return frozen(t, undo, err)
}

// FreezeListener is [healthtest.FreezeListener] in the manner of [Freeze].
func FreezeListener(t testing.TB, l net.Listener) (thaw func()) {
	t.Helper()
	undo, err := healthtest.FreezeListener(l)
	return frozen(t, undo, err)
}

func frozen(t testing.TB, undo func() error, err error) (thaw func()) {
	t.Helper()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		Missing(t, "the right to freeze a peer: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	thaw = func() {
		t.Helper()
		if err := undo(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(thaw)
	return thaw
}
