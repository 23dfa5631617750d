package cluster

import (
	"context"
	"slices"
)

// What is to be had at once: idle connections.

// tryIdle has an idle connection of m, at which a place was taken; or, where a dial would
// have one closed at another endpoint, of one that is no more loaded. If there is none, at
// is where the caller has its place then, or nil if that was lost.
func (c *Cluster[T]) tryIdle(ctx context.Context, w *wish, m *member[T], avoid set[T]) (got Conn[T], at *member[T]) {
	if got, ok := c.tryHere(ctx, w, m); ok || w.keyed || !c.full() {
		return got, m
	}
	return c.tryOthers(ctx, w, m, avoid)
}

// tryOthers is tryIdle at those that are no more loaded than m.
func (c *Cluster[T]) tryOthers(ctx context.Context, w *wish, m *member[T], avoid set[T]) (got Conn[T], at *member[T]) {
	m.inUse.Add(-1) // the place is of all still
	for other := range c.snapshot.Load().of(w.role).nearest() {
		if other == m || avoid[other] || other.load() > m.load() || !other.enter() {
			continue
		}
		if got, ok := c.tryHere(ctx, w, other); ok {
			c.served() // there is a place at m
			return got, other
		}
		other.inUse.Add(-1)
	}
	defer c.served() // somebody may have found a place taken
	if m.enter() {
		return got, m
	}
	c.inUse.Add(-1)
	return got, nil
}

// tryHere has an idle connection of m, at which a place was taken. If not, the
// place is still the caller's, unless a hook or a function of the Config panics.
func (c *Cluster[T]) tryHere(ctx context.Context, w *wish, m *member[T]) (got Conn[T], ok bool) {
	returned := false
	defer func() {
		if !returned {
			c.leave(m)
		}
	}()
	conn, ok := m.pool.TryAcquire(ctx)
	knows := Any
	if ok && (w.role != Any || c.config.RoleOf != nil) {
		if ok, knows, _ = c.plays(w, m, conn, false); !ok { // an error comes again, and is told then
			conn.Release()
		}
	}
	if ok {
		got = c.hand(w, m, conn, knows)
	}
	returned = true
	return got, ok
}

// TryAcquire returns an idle connection to an endpoint that fits the wish of ctx and
// needs neither a check nor to be asked for its role, or false if there is none at
// once. It looks at all endpoints that fit, the one that Acquire would take first.
// It never waits or dials, and does not go before a caller that waits. What it
// returns is released or closed as ever.
func (c *Cluster[T]) TryAcquire(ctx context.Context) (Conn[T], bool) {
	w := wishOf(ctx)
	if !w.role.valid() || ctx.Err() != nil || c.queue.len() > 0 {
		return Conn[T]{}, false
	}
	if m := c.admit(w, nil); m != nil {
		if got, ok := c.tryOnly(ctx, w, m); ok {
			return got, true
		}
	}
	o := c.snapshot.Load().of(w.role)
	tried := make(set[T])
	for _, some := range slices.Concat(o.near, o.far) {
		for m := range some.all() {
			if tried[m] || !m.enter() || !c.placed(m) {
				continue
			}
			if got, ok := c.tryOnly(ctx, w, m); ok {
				return got, true
			}
			tried[m] = true
		}
	}
	return Conn[T]{}, false
}

// tryOnly is tryHere, unless the role is to be asked for first, and gives the place back
// if there is nothing.
func (c *Cluster[T]) tryOnly(ctx context.Context, w *wish, m *member[T]) (got Conn[T], ok bool) {
	if w.role != Primary || c.config.Role == nil || c.config.RoleOf != nil || c.fresh(m) {
		if got, ok = c.tryHere(ctx, w, m); ok {
			return got, true
		}
	}
	c.leave(m)
	return got, false
}
