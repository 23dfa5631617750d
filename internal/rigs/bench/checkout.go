package bench

import (
	"fmt"
	"testing"
)

// many is how many callers there are where they have to wait for each other.
const many = 4 * Conns

// Checkout measures Acquire and Release with nothing between them: by one caller,
// by two, and by four for each connection.
func Checkout(b *testing.B, rivals []Rival) {
	for _, r := range rivals {
		b.Run("pool="+r.Name, func(b *testing.B) {
			use := open(b, r, Conns)
			for _, callers := range []int{1, 2, many} {
				b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { checkout(b, callers, use) })
			}
		})
	}
}

func checkout(b *testing.B, callers int, use Use) {
	b.ReportAllocs()
	err := share(b.N, callers, func() func(int) error {
		return func(int) error { return use(nil) }
	})
	if err != nil {
		b.Fatal(err)
	}
}

// open opens a rival with all its connections.
func open(tb testing.TB, r Rival, conns int) Use {
	tb.Helper()
	use := r.Open(tb, conns)
	if err := fill(use, conns); err != nil {
		tb.Fatal(err)
	}
	return use
}
