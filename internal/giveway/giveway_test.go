package giveway_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"example.com/hale/internal/giveway"
)

func TestItWaitsForWhatAnotherDoes(t *testing.T) {
	t.Parallel()
	var under atomic.Bool
	under.Store(true)
	go under.Store(false)
	for under.Load() { // a machine may be too busy
		giveway.While(under.Load)
	}
}

func TestItEndsThoughNothingHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(*testing.T) { giveway.While(func() bool { return true }) })
}

func TestItDoesNotWaitForWhatIsDone(t *testing.T) {
	t.Parallel()
	asked := 0
	giveway.While(func() bool { asked++; return false })
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestItAllocatesNothing(t *testing.T) {
	n := 0
	if got := testing.AllocsPerRun(100, func() { giveway.While(func() bool { n++; return n%3 != 0 }) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
