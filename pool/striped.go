package pool

import "sync/atomic"

// counter counts what many do at the same time.
type counter [8]struct {
	n atomic.Int64
	_ [120]byte
}

func (c *counter) add(n int64) { c[stripe()%len(c)].n.Add(n) }

func (c *counter) sum() (sum int64) {
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}
