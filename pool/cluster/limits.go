package cluster

import (
	"context"
	"net"
	"slices"
	"time"
)

// dialTo is Config.Dial of a member's endpoint, which makes room first.
func (c *Cluster[T]) dialTo(m *member[T]) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
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
	all, bounded := c.bounded()
	if !bounded {
		return false
	}
	asked := make(set[T]) // in vain
	for ctx.Err() == nil {
		open, dialling, victim := c.count(all, asked, m)
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

// bounded is all members, and whether MaxConns bounds them more than their own limits do.
func (c *Cluster[T]) bounded() (all []*member[T], bounded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all = slices.Concat(c.members, c.draining)
	return all, int64(len(all))*int64(c.config.Pool.MaxConns) > int64(c.config.MaxConns)
}

// full reports whether one more connection would be one too many.
func (c *Cluster[T]) full() bool {
	all, bounded := c.bounded()
	if !bounded {
		return false
	}
	open, dialling, _ := c.count(all, nil, nil)
	return open+dialling >= c.config.MaxConns
}

// count counts connections. victim is a member that can do without one of its own, but
// none of some.
func (c *Cluster[T]) count(all []*member[T], some set[T], m *member[T]) (open, dialling int, victim *member[T]) {
	most := 0
	for _, other := range all {
		st := other.pool.Stats()
		open, dialling = open+st.Conns, dialling+st.Dialing
		spare := min(st.Idle-c.config.Pool.MinIdleConns, st.Conns-c.config.Pool.MinConns)
		if other == m {
			spare = min(spare, 1)
		}
		if spare > most && !some[other] {
			victim, most = other, spare
		}
	}
	return open, dialling, victim
}
