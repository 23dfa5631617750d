package cluster

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"example.com/hale/pool"
)

// What is known of the members' roles, and by whom it is asked.

// fits reports whether a role is what a caller wishes, who would take nothing else.
func fits(wished, role Role) bool {
	return wished == Any || wished == PreferReplica || wished == role
}

// roleNow is what is known of a member.
func (c *Cluster[T]) roleNow(m *member[T]) Role {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.role
}

// fresh reports whether the role of m was asked for lately.
func (c *Cluster[T]) fresh(m *member[T]) bool {
	return c.config.RoleMaxAge < 0 && m.roleUntil.Load() > 0 || c.clock() < m.roleUntil.Load()
}

// plays reports whether a connection to m leads to the role that is wished, without
// asking: by what it knows itself, or what was learned of m lately.
// An error is a RoleOf that panicked; the connection is closed then.
func (c *Cluster[T]) plays(w *wish, m *member[T], conn pool.Conn[T]) (bool, error) {
	role, err := c.roleOf(conn)
	switch {
	case err != nil:
		return false, err
	case role != Any:
		c.learn(m, role)
		return fits(w.role, role), nil
	case w.role == Primary && c.config.Role != nil && !c.fresh(m):
		return false, nil
	}
	return w.role == PreferReplica || fits(w.role, c.roleNow(m)), nil
}

// roleOf is Config.RoleOf of a connection, if there is one. Where that panics the
// connection is closed, for its T is not as it should be.
func (c *Cluster[T]) roleOf(conn pool.Conn[T]) (role Role, err error) {
	if c.config.RoleOf == nil {
		return Any, nil
	}
	returned := false
	defer func() {
		if !returned || err != nil {
			conn.Close()
		}
	}()
	role, err = c.callRoleOf(conn.Value())
	returned = true
	return role, err
}

// callRoleOf is Config.RoleOf. It runs where it is called, so it may end that
// goroutine.
func (c *Cluster[T]) callRoleOf(value T) (role Role, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil {
			role, err = Any, &pool.PanicError{Func: "RoleOf", Value: value, Stack: debug.Stack()}
		}
	}()
	if role = c.config.RoleOf(value); !role.isRole() {
		role = Any
	}
	returned = true
	return role, nil
}

// callRole is Config.Role.
func (c *Cluster[T]) callRole(ctx context.Context, value T) (Role, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.RoleTimeout)
	defer cancel()
	role, err := guard(ctx, "Role", func() (Role, error) { return c.config.Role(ctx, value) })
	if err == nil && !role.isRole() {
		err = fmt.Errorf("cluster: Role returned %v: must be Primary, Replica or Any", role)
	}
	return role, err
}

// askHere asks a connection for the role of m, and ends its use.
func (c *Cluster[T]) askHere(ctx context.Context, m *member[T], conn pool.Conn[T]) error {
	returned := false
	defer func() {
		if !returned {
			conn.Close()
		}
	}()
	role, err := c.callRole(ctx, conn.Value())
	if err != nil {
		return err
	}
	returned = true
	conn.Release()
	c.learn(m, role)
	return nil
}

// openAsking is Config.Pool.Open, and Config.Role of what it opens.
func (c *Cluster[T]) openAsking(m *member[T], open opener[T]) opener[T] {
	return func(ctx context.Context, conn conn) (value T, err error) {
		if value, err = open(ctx, conn); err != nil {
			return value, err
		}
		role, err := c.callRole(ctx, value)
		if err == nil {
			c.learn(m, role)
			return value, nil
		}
		if c.config.Pool.Close != nil {
			_, _ = guard(context.Background(), "Close", func() (struct{}, error) { return struct{}{}, c.config.Pool.Close(value) })
		}
		var zero T
		return zero, fmt.Errorf("cluster: Role: %w", err)
	}
}

// learn takes note of a role that m has now.
func (c *Cluster[T]) learn(m *member[T], role Role) {
	c.mu.Lock()
	m.asked++
	m.roleUntil.Store(c.clock() + int64(max(0, c.config.RoleMaxAge)))
	if role == Replica {
		m.became = 0 // it knows: if it is the primary later, it has become it anew
	}
	if m.role == role && !(role == Primary && m.became == 0) {
		replaced := c.replaced(m)
		c.mu.Unlock()
		if replaced {
			signal(c.seek) // it is to be asked again in time
		}
		return
	}
	c.setRole(m, role)
	c.rebuild()
	c.mu.Unlock()
	c.afterChange()
}

// setRole changes what is known of a member. The caller holds mu.
func (c *Cluster[T]) setRole(m *member[T], role Role) {
	was := m.role
	m.play(role)
	switch {
	case role != Primary:
		if was == Primary || role == Replica {
			m.became = 0
		}
	case m.became == 0:
		c.became++
		m.became = c.became
		for _, other := range c.members {
			if other != m && other.role == Primary {
				other.roleUntil.Store(0) // it may have been replaced
			}
		}
	}
}

// demoted takes note that m is not the primary any more, as an error says.
func (c *Cluster[T]) demoted(m *member[T]) {
	c.mu.Lock()
	m.roleUntil.Store(0)
	m.asked = 0 // it is again
	c.setRole(m, Any)
	m.became = 0
	c.rebuild()
	c.mu.Unlock()
	signal(c.seek)
	c.afterChange()
}

// hasPrimary reports whether there is one that can be reached. The caller holds mu.
func (c *Cluster[T]) hasPrimary() bool {
	return len(c.snapshot.Load().of(Primary).fit) > 0
}

// seekRoles asks every endpoint for its role when it is new, and as long as there is
// no primary.
func (c *Cluster[T]) seekRoles() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-c.seek:
		case <-timer.C:
		}
		if !c.askAll() {
			timer.Reset(c.config.RoleEvery)
		} else if again := c.askAgain(); again > 0 {
			timer.Reset(again)
		}
	}
}

// toAsk is who is to be asked for its role: everybody while there is no primary,
// else those of whom nothing was learned yet, and those that were replaced and may
// know it by now. The caller holds mu.
func (c *Cluster[T]) toAsk() []*member[T] {
	none := c.resolved && !c.hasPrimary()
	return filter(c.members, func(m *member[T]) bool {
		return m.usable() && (none || m.asked == 0 || c.replaced(m) && !c.fresh(m))
	})
}

// replaced reports whether m says that it is the primary, and another is believed.
// The caller holds mu.
func (c *Cluster[T]) replaced(m *member[T]) bool {
	return m.role == Primary && m.usable() && !c.config.ManyPrimaries && !contains(c.snapshot.Load().of(Primary).fit, m)
}

// askAgain is when somebody who was replaced is asked again; 0 is never.
func (c *Cluster[T]) askAgain() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(filter(c.members, c.replaced)) == 0 {
		return 0
	}
	return max(c.config.RoleMaxAge, 0)
}

// askAll asks those at once that are to be asked, and reports whether there are none
// then.
func (c *Cluster[T]) askAll() (done bool) {
	c.mu.Lock()
	c.asking = true
	all := c.toAsk()
	asked := make([]uint64, len(all))
	for i, m := range all {
		asked[i] = m.asked
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() { c.askOne(m, asked[i]) })
	}
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	if c.resolved {
		c.rounds++
	}
	c.announce()
	return c.hasPrimary() && len(c.toAsk()) == 0 || !c.resolved
}

// askOne asks one member for its role, unless a connection that is opened for it
// has done so.
func (c *Cluster[T]) askOne(m *member[T], asked uint64) {
	ctx, cancel := context.WithTimeout(c.life, c.config.RoleTimeout)
	defer cancel()
	conn, err := m.pool.Acquire(ctx)
	if err != nil {
		return
	}
	c.mu.Lock()
	done := m.asked != asked
	c.mu.Unlock()
	if done {
		conn.Release()
		return
	}
	switch role, err := c.roleOf(conn); {
	case err != nil:
		return
	case role != Any:
		conn.Release()
		c.learn(m, role)
		return
	}
	_ = c.askHere(ctx, m, conn) // it is asked again
}
