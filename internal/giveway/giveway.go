// Package giveway waits for what another goroutine is about to do.
package giveway

import "runtime"

// turns is how often While gives way: milliseconds, where nobody has anything to do.
const turns = 100_000

// While lets others run while cond is true, but for no more than milliseconds: a
// machine may be too busy for anything, or the goroutine that is waited for be the one
// that waits. It looks at no clock, for one stands still in a testing/synctest bubble
// while somebody is running.
func While(cond func() bool) {
	for n := 0; n < turns && cond(); n++ {
		runtime.Gosched()
	}
}
