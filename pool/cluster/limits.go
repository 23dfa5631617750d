package cluster

import (
	"context"
	"net"
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
		signal(c.spill) // if nobody waits for it any more, it may be one too many
		return conn, nil
	}
}

// makeRoom closes idle connections as long as there are more than MaxConns, those
// included that are being dialled, one of which is for m; nil counts only those that
// are open. Those of the member with most of them go first, and of m last.
func (c *Cluster[T]) makeRoom(ctx context.Context, m *member[T]) {
	c.mu.Lock()
	all := append([]*member[T]{}, c.members...)
	for d := range c.draining {
		all = append(all, d)
	}
	c.mu.Unlock()
	if int64(len(all))*int64(c.config.Pool.MaxConns) <= int64(c.config.MaxConns) {
		return
	}
	for range c.config.MaxConns {
		open, victim, most := 0, (*member[T])(nil), 0
		for _, other := range all {
			st := other.pool.Stats()
			open += st.Conns
			if m != nil {
				open += st.Dialing
			}
			spare := min(st.Idle-c.config.Pool.MinIdleConns, st.Conns-c.config.Pool.MinConns)
			if other == m {
				spare = min(spare, 1)
			}
			if spare > most {
				victim, most = other, spare
			}
		}
		if open <= c.config.MaxConns || victim == nil || ctx.Err() != nil {
			return
		}
		conn, ok := victim.pool.TryAcquire(ctx)
		if !ok {
			return // somebody was faster
		}
		conn.Close()
	}
}
