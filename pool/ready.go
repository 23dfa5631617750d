package pool

import (
	"context"
	"sync"
)

// WaitReady waits until MinConns connections are open, idle or in use, none of
// them dead or quarantined, and returns nil then; also if ctx has ended. With
// MinConns 0 it returns nil at once, whether or not the endpoint can be reached:
// Acquire finds that out. It is what a program calls before it says that it is
// ready. It opens nothing by itself, for the pool does.
//
// While the endpoint cannot be reached it goes on waiting, with FailFast as well.
// The error is [ErrClosed] once the pool is closed or shutting down; or else ctx
// has ended, and it matches ctx.Err() and, as that of Acquire, [ErrUnavailable] if
// the endpoint is not reached, with the last dial's error. WaitReady may be called
// at any time, and by any number of goroutines.
func (p *Pool[T]) WaitReady(ctx context.Context) error {
	for {
		news := p.news.next()
		switch {
		case p.life.Err() != nil:
			return ErrClosed
		case p.ready():
			return nil
		case ctx.Err() != nil:
			return p.waitError(ctx.Err())
		}
		select {
		case <-news:
		case <-p.life.Done():
		case <-ctx.Done():
		}
	}
}

// ready reports whether MinConns connections stand.
func (p *Pool[T]) ready() bool {
	epoch := p.epoch.Load()
	standing := p.conns.those(func(s *slot[T]) bool {
		w := s.load()
		return s.arrived && s.epoch == epoch && w&unfit == 0 && w.state() != quarantined
	})
	return len(standing) >= p.config.MinConns
}

// news tells any number who wait that there is something new.
type news struct {
	mu   sync.Mutex // guards told
	told chan struct{}
}

// next returns what is closed when tell is called next.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told == nil {
		n.told = make(chan struct{})
	}
	return n.told
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told != nil {
		close(n.told)
		n.told = nil
	}
}
