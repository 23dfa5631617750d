package bench

import (
	"errors"
	"sync"
	"sync/atomic"
)

// batch is how many operations a caller takes at a time, so that the counter
// which they share costs nothing.
const batch = 64

// share has callers goroutines, neither more nor less, do the operations 0 to n-1
// between them. As with b.RunParallel, whoever is quicker does more, and the time
// of an operation is all of the time divided by n. Each caller does what
// newCaller returns for it.
func share(n, callers int, newCaller func() (do func(op int) error)) error {
	var taken atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		do := newCaller()
		all.Go(func() { errs[i] = work(&taken, n, do) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// work does operations until none is left.
func work(taken *atomic.Int64, n int, do func(op int) error) error {
	for {
		end := int(taken.Add(batch))
		for op := end - batch; op < min(end, n); op++ {
			if err := do(op); err != nil {
				return err
			}
		}
		if end >= n {
			return nil
		}
	}
}

// fill has a pool open all its connections: as many callers hold one each at the
// same time.
func fill(use Use, conns int) error {
	var held sync.WaitGroup
	held.Add(conns)
	errs := make([]error, conns)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() {
			errs[i] = use(func() {
				held.Done()
				held.Wait()
			})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
