package pool

import (
	"sync"
	"sync/atomic"
)

// conns is every slot with a connection that has not left the pool.
type conns[T any] struct {
	fit   atomic.Int64 // how many are not on their way out; counted, for each dial and each death asks
	mu    sync.Mutex   // guards what follows
	all   map[*slot[T]]struct{}
	added uint64 // how many were
	named string // the last that name was asked for
}

func (c *conns[T]) add(s *slot[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added++
	s.number = c.added
	c.all[s] = struct{}{}
	c.fit.Add(1)
}

// lost notes that one of them is on its way out.
func (c *conns[T]) lost() { c.fit.Add(-1) }

// arrive notes that a connection can be had.
func (c *conns[T]) arrive(s *slot[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.arrived = true
}

func (c *conns[T]) remove(s *slot[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, s)
}

func (c *conns[T]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// those returns the slots of which is is true; is must be quick.
func (c *conns[T]) those(is func(*slot[T]) bool) (those []*slot[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.all {
		if is(s) {
			those = append(those, s)
		}
	}
	return those
}

// alive returns the connections to an address that are not on their way out, or
// to any address if it is empty.
func (c *conns[T]) alive(remote string) []*slot[T] {
	return c.those(func(s *slot[T]) bool {
		return !s.marked(unfit) && (remote == "" || s.remote == remote)
	})
}

func (c *conns[T]) held() []*slot[T] { return c.those((*slot[T]).held) }

// unused counts the connections that are not on their way out and that nobody
// uses. It looks at all of them.
func (c *conns[T]) unused() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.all {
		if w := s.load(); w&unfit == 0 && !w.held() {
			n++
		}
	}
	return n
}

// name returns an address that connections to it share, as a rule.
func (c *conns[T]) name(remote string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named != remote {
		c.named = remote
	}
	return c.named
}
