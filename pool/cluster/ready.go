package cluster

import (
	"context"

	"example.com/hale/pool"
)

// WaitReady waits until an endpoint that fits the wish of ctx (see [Want]) is known
// and has Pool.MinConns connections, and returns nil then; also if ctx has ended. With
// MinConns 0 and no wish it is enough that one is known. It is what a program calls
// before it says that it is ready.
//
// The error is [pool.ErrClosed] once the cluster is closed; or else ctx has ended, and
// it is as that of Acquire. WaitReady may be called at any time, and by any number of
// goroutines.
func (c *Cluster[T]) WaitReady(ctx context.Context) error {
	w := wishOf(ctx)
	if !w.role.valid() {
		return configError("Want", w.role, "there is no such role")
	}
	a := &acquisition[T]{cluster: c, ctx: ctx, wish: w}
	for {
		news := c.nextNews()
		members := c.snapshot.Load().of(w.role).fit
		switch {
		case c.life.Err() != nil:
			return pool.ErrClosed
		case len(members) > 0 && c.oneReady(ctx, members, news):
			return nil
		case ctx.Err() != nil:
			return a.failed(ctx.Err())
		}
		if len(members) > 0 {
			continue // news, or all have failed, which only an end does
		}
		select {
		case <-news:
		case <-ctx.Done():
		case <-c.life.Done():
		}
	}
}

// oneReady waits until one of members is ready, there is news, or ctx or the cluster
// ends, and reports whether one is.
func (c *Cluster[T]) oneReady(ctx context.Context, members []*member[T], news <-chan struct{}) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(members))
	for _, m := range members {
		go func() { results <- m.pool.WaitReady(ctx) }()
	}
	ready := false
	for range members {
		select {
		case err := <-results:
			if err == nil {
				ready = true
				cancel()
			}
		case <-news:
			cancel()
			ready = <-results == nil || ready
			news = nil
		}
	}
	return ready
}
