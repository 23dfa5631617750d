package bench

import (
	"sync/atomic"
	"testing"
)

// Try has a few callers use each rival for a moment. That the connections are
// closed afterwards is seen when the test ends.
func Try(t *testing.T, rivals []Rival) {
	for _, r := range rivals {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			use := open(t, r, Conns)
			for _, callers := range []int{4, many} {
				tryShared(t, use, callers)
			}
		})
	}
}

func tryShared(t *testing.T, use Use, callers int) {
	t.Helper()
	var holders, uses, over atomic.Int64
	held := func() {
		if holders.Add(1) > Conns {
			over.Add(1)
		}
		uses.Add(1)
		holders.Add(-1)
	}
	n := 100 * callers
	err := share(n, callers, func() func(int) error {
		return func(int) error { return use(held) }
	})
	if err != nil || uses.Load() != int64(n) || over.Load() > 0 {
		t.Errorf("%d callers: %d of %d uses, %d beyond %d connections, %v", callers, uses.Load(), n, over.Load(), Conns, err)
	}
}
