package pool

import "sync"

// group counts the pool's goroutines. Unlike a [sync.WaitGroup], it may grow
// from nothing while somebody waits: a death is told at any time.
type group struct {
	mu   sync.Mutex // guards n
	n    int
	none *sync.Cond // n has become zero; made by the first who waits
}

func (g *group) add() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

func (g *group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.n == 0 && g.none != nil {
		g.none.Broadcast()
	}
}

// Go runs f on a goroutine that counts.
func (g *group) Go(f func()) {
	g.add()
	go func() {
		defer g.done()
		f()
	}()
}

// Keep is Go, and runs f again if a hook has ended its goroutine.
func (g *group) Keep(f func()) {
	g.Go(func() {
		returned := false
		defer func() {
			if !returned {
				g.Keep(f)
			}
		}()
		f()
		returned = true
	})
}

// Wait waits until there is none.
func (g *group) Wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.none == nil {
		g.none = sync.NewCond(&g.mu)
	}
	for g.n > 0 {
		g.none.Wait()
	}
}
