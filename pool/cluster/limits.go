package cluster

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"example.com/hale/pool"
)

// dialTo is Config.Dial of a member's endpoint, which makes room first.
func (c *Cluster[T]) dialTo(m *member[T]) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		c.open.add(m)
		c.makeRoom(ctx, m)
		began := time.Now()
		conn, err := c.config.Dial(ctx, m.endpoint())
		if err != nil {
			return nil, err
		}
		if isNil(conn) {
			return nil, errNoConn
		}
		if c.config.ByLatency {
			m.rtt.CompareAndSwap(0, int64(max(time.Since(began), 1)))
			m.path.set(conn)
		}
		if c.opener() == nil {
			c.endDoubt(m)
		}
		signal(c.spill) // if nobody waits for it any more, it may be one too many
		return conn, nil
	}
}

// makeRoom closes idle connections as long as there are more than MaxConns, those
// included that are being dialled, one of which is for m; nil counts only those that
// are open. Those of the member with most of them go first, and of m last. It reports
// whether there are, or may be, too many still: they are in use, or being dialled.
func (c *Cluster[T]) makeRoom(ctx context.Context, m *member[T]) (over bool) {
	if !c.bounded() {
		return false
	}
	asked := make(set[T]) // in vain
	for ctx.Err() == nil {
		open, dialling, victim := c.count(asked, m)
		if m != nil {
			open += dialling
		}
		if victim == nil || open <= c.config.MaxConns {
			return open+dialling > c.config.MaxConns
		}
		if victim.pool.CloseIdle(1) == 0 {
			asked[victim] = true
		}
	}
	return true
}

// bounded reports whether MaxConns bounds the endpoints more than their own limits do.
func (c *Cluster[T]) bounded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.members)+len(c.draining))*int64(c.config.Pool.MaxConns) > int64(c.config.MaxConns)
}

// full reports whether one more connection would be one too many.
func (c *Cluster[T]) full() bool {
	if !c.bounded() {
		return false
	}
	open, dialling, _ := c.count(nil, nil)
	return open+dialling >= c.config.MaxConns
}

// count counts connections. victim is a member that can do without one of its own, but
// none of some.
func (c *Cluster[T]) count(some set[T], m *member[T]) (open, dialling int, victim *member[T]) {
	most := 0
	c.open.each(func(other *member[T], st pool.Stats) {
		open, dialling = open+st.Conns, dialling+st.Dialing
		spare := min(st.Idle-c.config.Pool.MinIdleConns, st.Conns-c.config.Pool.MinConns)
		if other == m {
			spare = min(spare, 1)
		}
		if spare > most && !some[other] {
			victim, most = other, spare
		}
	})
	return open, dialling, victim
}

// openMembers is the members that have a connection, or dial: no more than there are
// connections, of however many endpoints.
type openMembers[T any] struct {
	mu  sync.Mutex // guards what follows, and member.open; of the pools only Stats is called under it
	all []*member[T]
}

// equip gives m its pool, which may dial already.
func (o *openMembers[T]) equip(m *member[T], p *pool.Pool[T]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m.pool = p
}

// add is called while m dials.
func (o *openMembers[T]) add(m *member[T]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !m.open {
		m.open = true
		o.all = append(o.all, m)
	}
}

// drop is called when the pool of m is closed.
func (o *openMembers[T]) drop(m *member[T]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.all, m); i >= 0 {
		o.all = slices.Delete(o.all, i, i+1)
	}
}

// each calls see of all, and drops those that have no connection any more. A dial counts
// from before add until there is one.
func (o *openMembers[T]) each(see func(m *member[T], st pool.Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = slices.DeleteFunc(o.all, func(m *member[T]) bool {
		if m.pool == nil {
			return false
		}
		st := m.pool.Stats()
		m.open = st.Conns+st.Dialing > 0
		if m.open {
			see(m, st)
		}
		return !m.open
	})
}
