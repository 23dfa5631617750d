package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"example.com/hale/pool"
)

var errNoEndpoints = errors.New("cluster: there are no endpoints in the answer")

// update makes endpoints those of the cluster. An answer that is empty or wrong
// changes nothing.
func (c *Cluster[T]) update(answer []Endpoint) error {
	c.updating.Lock()
	defer c.updating.Unlock()
	if c.life.Err() != nil {
		return pool.ErrClosed
	}
	all, err := checkAll(answer)
	if err == nil && len(all) == 0 {
		err = errNoEndpoints
	}
	if err != nil {
		c.unresolved(err)
		return err
	}
	return c.use(c.withHeld(all))
}

// use makes all the endpoints of the cluster, or a subset of them. The caller holds
// updating.
func (c *Cluster[T]) use(all []Endpoint) error {
	all = c.subset(all)
	added, err := c.addMembers(all)
	if err != nil {
		c.unresolved(err)
		return err
	}
	for _, m := range c.change(all, added) {
		c.drain(m)
	}
	c.afterChange()
	signal(c.release)
	return nil
}

// unresolved takes note that there is no answer.
func (c *Cluster[T]) unresolved(err error) {
	c.mu.Lock()
	c.unknown = true
	c.announce()
	c.mu.Unlock()
	c.complain(err)
}

// complain has the Observer told.
func (c *Cluster[T]) complain(err error) {
	c.mu.Lock()
	c.stats.unresolved.Add(1)
	tell(c, c.config.Observer.set().Resolved, ResolvedInfo{Endpoints: endpointsOf(c.members), Err: err})
	c.mu.Unlock()
	c.tell()
}

// addMembers makes members of the endpoints that are new.
func (c *Cluster[T]) addMembers(all []Endpoint) (added []*member[T], err error) {
	c.mu.Lock()
	known := make(map[string]bool, len(c.members))
	for _, m := range c.members {
		known[m.key] = true
	}
	first := len(c.members) == 0
	c.mu.Unlock()
	for _, e := range all {
		if known[e.key()] {
			continue
		}
		m, err := c.newMember(e)
		if err != nil {
			closeAll(added)
			return nil, err
		}
		if !first {
			m.since = time.Now()
		}
		added = append(added, m)
	}
	return added, nil
}

func (c *Cluster[T]) newMember(e Endpoint) (*member[T], error) {
	m := &member[T]{key: e.key(), hash: hash(e.key()), most: int64(c.config.Pool.MaxConns), inUse: new(atomic.Int64)}
	m.about.Store(&e)
	m.play(e.Role)
	config := c.config.Pool
	config.Dial = c.dialTo(m)
	if open := c.opener(); open != nil {
		config.Open = c.opening(m, open)
	}
	config.Observer = pool.Tee(c.poolObserver(m), c.config.Pool.Observer, c.observerOf(e))
	p, err := pool.New(config)
	if err != nil {
		return nil, err
	}
	c.open.equip(m, p)
	return m, nil
}

// opener is Config.Pool.Open, or what does for it where roles are asked for; or nil:
// then a connection is all that there is.
func (c *Cluster[T]) opener() opener[T] {
	if c.config.Pool.Open != nil || c.config.Role == nil {
		return c.config.Pool.Open
	}
	return func(_ context.Context, conn conn) (T, error) { return any(conn).(T), nil }
}

// opening is open, and Config.Role of what that opens.
func (c *Cluster[T]) opening(m *member[T], open opener[T]) opener[T] {
	if c.config.Role != nil {
		open = c.openAsking(m, open)
	}
	return func(ctx context.Context, conn conn) (T, error) {
		value, err := open(ctx, conn)
		if err == nil {
			c.endDoubt(m)
		}
		return value, err
	}
}

// observerOf is Config.PoolObserver. One that panics is no observer.
func (c *Cluster[T]) observerOf(e Endpoint) *pool.Observer {
	if c.config.PoolObserver == nil {
		return nil
	}
	o, err := guard(c.life, "PoolObserver", func() (*pool.Observer, error) { return c.config.PoolObserver(e), nil })
	if err != nil {
		c.complain(err)
		return nil
	}
	return o
}

// change makes all the endpoints of the cluster, for some of which members were
// added, and returns the members that are gone. The cluster is not shut meanwhile: that
// takes updating.
func (c *Cluster[T]) change(all []Endpoint, added []*member[T]) (removed []*member[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := make(map[string]*Endpoint, len(all))
	for i := range all {
		wanted[all[i].key()] = &all[i]
	}
	changed := !c.resolved || len(added) > 0
	c.draining = slices.Clone(c.draining)
	c.members = slices.DeleteFunc(slices.Clone(c.members), func(m *member[T]) bool {
		e := wanted[m.key]
		switch {
		case e == nil:
			m.draining, changed = true, true
			removed = append(removed, m)
			return true
		case *e != *m.about.Load():
			changed = true
			c.describe(m, e)
		}
		if c.contradicted(m) {
			changed = true
			c.setRole(m, e.Role)
		}
		return false
	})
	c.draining = append(c.draining, removed...)
	places := make(map[string]*atomic.Int64, len(c.draining))
	for _, m := range c.draining {
		places[m.key] = m.inUse
	}
	for _, m := range added {
		if m.role == Primary {
			c.became++
			m.became = c.became
		}
		if inUse := places[m.key]; inUse != nil { // it has left and returned
			m.inUse = inUse
		}
		c.members = append(c.members, m)
	}
	c.resolved = true
	if changed {
		tell(c, c.config.Observer.set().Resolved, ResolvedInfo{
			Endpoints: endpointsOf(c.members), Added: endpointsOf(added), Removed: endpointsOf(removed),
		})
		c.rebuild()
	}
	return removed
}

func closeAll[T any](all []*member[T]) {
	for _, m := range all {
		m.pool.Close()
	}
}

// describe takes note of what is new of an endpoint. A role that the resolver knows
// is asked for before anybody relies on it. The caller holds mu.
func (c *Cluster[T]) describe(m *member[T], e *Endpoint) {
	told := e.Role != m.about.Load().Role
	m.about.Store(e)
	if told && (e.Role != Any || c.config.Role == nil) {
		m.forget()
		became := m.became
		m.became = 0 // if it is the primary, then now
		c.setRole(m, e.Role)
		if e.Role == Replica {
			m.became = became // it may not know that yet: that it is the primary is no news
		}
	}
}

func endpointsOf[T any](all []*member[T]) (endpoints []Endpoint) {
	for _, m := range all {
		e := m.endpoint()
		e.Role = m.role
		endpoints = append(endpoints, e)
	}
	return endpoints
}

// drain closes the pool of a member that is gone, when what is in use has been
// released.
func (c *Cluster[T]) drain(m *member[T]) {
	c.wg.Go(func() {
		ctx, cancel := context.Background(), func() {}
		if d := c.config.DrainTimeout; d > 0 {
			ctx, cancel = context.WithTimeout(ctx, d)
		}
		defer cancel()
		_, _ = m.pool.Shutdown(ctx) // of the cluster ends it sooner
		c.open.drop(m)
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.draining, m)
		c.draining = slices.Delete(c.draining, i, i+1)
		c.gone.add(m.pool.Stats())
	})
}

// subset is the part of the endpoints that this client uses: the k smallest of a
// hash of the client and the endpoint, so that one that comes or goes changes one.
// Those that the resolver says are a primary are always used.
func (c *Cluster[T]) subset(all []Endpoint) []Endpoint {
	if c.config.Subset == 0 || len(all) <= c.config.Subset {
		return all
	}
	seed := hash(c.config.ClientID)
	score := func(e Endpoint) uint64 { return mix(seed ^ hash(e.key())) }
	slices.SortFunc(all, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(score(a), score(b)), cmp.Compare(a.key(), b.key()))
	})
	used := all[:c.config.Subset]
	for _, e := range all[c.config.Subset:] {
		if e.Role == Primary {
			used = append(used[:len(used):len(used)], e)
		}
	}
	return used
}
