package cluster

import (
	"context"
	"slices"
	"sync"
)

// Shutdown closes the cluster in good order, as [pool.Pool.Shutdown] does all its
// pools, at once: it hands nothing out any more, ends every wait with
// [pool.ErrClosed], and waits until what is in use was released and all connections
// are closed, also those to endpoints that are gone. When ctx ends it aborts what is
// left. The result is the sum, and ctx.Err() if anything in use was aborted. When it
// returns, every goroutine of the cluster has ended, but for functions of the Config
// that do not return. It may be called more than once and by several goroutines, each
// of which waits for the end; not by a hook of an Observer, nor by a function of the
// Config.
func (c *Cluster[T]) Shutdown(ctx context.Context) (aborted int, err error) {
	return c.shutdown(func(m *member[T]) (int, error) { return m.pool.Shutdown(ctx) })
}

// Close shuts the cluster down at once, as [pool.Pool.Close] does.
func (c *Cluster[T]) Close() {
	_, _ = c.shutdown(func(m *member[T]) (int, error) { m.pool.Close(); return 0, nil })
}

func (c *Cluster[T]) shutdown(end func(*member[T]) (int, error)) (aborted int, err error) {
	c.end() // first: an update under way may wait for a function of the Config
	all := c.shut()
	c.queue.close()
	c.tell()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards aborted and err
	for _, m := range all {
		wg.Go(func() {
			n, poolErr := end(m)
			mu.Lock()
			defer mu.Unlock()
			aborted += n
			if poolErr != nil {
				err = poolErr
			}
		})
	}
	wg.Wait()
	c.wg.wait()
	c.tellClosed()
	return aborted, err
}

// shut has nothing begin any more, and returns whose pools are to be closed.
func (c *Cluster[T]) shut() []*member[T] {
	c.updating.Lock() // what an update under way has made is to be closed, too
	defer c.updating.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failover != nil {
		c.closeFailover(Endpoint{}, false)
	}
	c.closed = true // nothing is told from now on, but that
	c.announce()
	return slices.Concat(c.members, c.draining)
}
