package cluster

import (
	"runtime/debug"
	"slices"
	"time"

	"example.com/hale/pool"
)

// What is known of the members' roles, and by whom it is learned.

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

// plays reports whether a connection to m leads to the role that is wished, without
// asking: by what was learned of m lately, or just now, and what the connection knows
// itself, which is returned. Where that differs from what was learned, one of them
// is of before the last failover: then it is asked, if somebody can be.
//
// An error is a RoleOf that panicked; the connection is closed then.
func (c *Cluster[T]) plays(w *wish, m *member[T], conn pool.Conn[T], justAsked bool) (plays bool, knows Role, err error) {
	if knows, err = c.roleOf(conn); err != nil {
		return false, knows, err
	}
	role, replaced := Any, false
	if w.role != Any || knows != Any {
		role, replaced = c.believed(m, knows)
	}
	switch {
	case knows == Any || knows == role || justAsked:
	case c.config.Role == nil:
		orRelease(conn, func() { c.hear(m, knows) })
		role = knows
	case w.role == Primary:
		m.said.Store(nil)
		return false, knows, nil
	default:
		c.askAnew(m)
	}
	if w.role == Primary && (replaced || c.config.Role != nil && knows == Any && !c.recent(m, justAsked)) {
		return false, knows, nil
	}
	return w.role == PreferReplica || fits(w.role, role), knows, nil
}

// believed is what is known of a member, and whether it says that it is the primary and
// another is; knows is what one of its connections has heard.
func (c *Cluster[T]) believed(m *member[T], knows Role) (role Role, replaced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.heard = m.heard || knows != Any && knows == m.role
	return m.role, c.replaced(m)
}

// askAnew has m asked for its role, unless that was just done.
func (c *Cluster[T]) askAnew(m *member[T]) {
	if c.fresh(m) {
		return
	}
	c.mu.Lock()
	m.asked = 0
	c.mu.Unlock()
	signal(c.seek)
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

// hear takes note of a role that m has now.
func (c *Cluster[T]) hear(m *member[T], role Role) {
	a := c.ask(m)
	a.role = role
	c.learn(m, a)
}

// learn takes note of an answer of m. One that was asked for before other news came is
// to be asked for again before anybody relies on it, and who was not the primary any more
// by then has not become it.
func (c *Cluster[T]) learn(m *member[T], a answer) {
	role := a.role
	c.mu.Lock()
	late := a.news != m.news
	if late && role == Primary && m.role != Primary {
		c.mu.Unlock()
		return
	}
	if !late {
		m.said.Store(&a.asked)
	}
	m.asked++
	m.askAt = time.Now().Add(c.replacedEvery())
	switch {
	case role == Replica:
		m.became = 0 // it knows: if it is the primary later, it has become it anew
	case role == Primary && !m.heard && m.about.Load().Role == Replica:
		m.became = beforeAll // it does not know that it was replaced
	}
	m.heard = true
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
				other.forget() // it may have been replaced
				other.askAt = time.Time{}
			}
		}
	}
}

// demoted takes note that m is not the primary any more, as an error says. Where
// nobody can be asked the resolver may know who is, and is believed again after a time,
// also if it says nothing. Of who is none it is no news.
func (c *Cluster[T]) demoted(m *member[T]) {
	c.mu.Lock()
	if m.role != Primary {
		c.mu.Unlock()
		return
	}
	m.forget()
	m.asked = 0 // it is again
	m.askAt = time.Now().Add(c.replacedEvery())
	c.setRole(m, Any)
	m.became = 0
	c.rebuild()
	c.mu.Unlock()
	if c.config.Role == nil {
		signal(c.lost)
	}
	signal(c.seek)
	c.afterChange()
}

// contradicted reports whether an error has said that m is not what the resolver says,
// and nobody can be asked. The caller holds mu.
func (c *Cluster[T]) contradicted(m *member[T]) bool {
	return c.config.Role == nil && m.role == Any && m.about.Load().Role != Any
}

// hasPrimary reports whether there is one that can be reached. The caller holds mu.
func (c *Cluster[T]) hasPrimary() bool {
	return len(c.snapshot.Load().of(Primary).fit) > 0
}

// replaced reports whether m says that it is the primary, and another is believed.
// The caller holds mu.
func (c *Cluster[T]) replaced(m *member[T]) bool {
	return m.role == Primary && m.usable() && !c.config.ManyPrimaries && !slices.Contains(c.snapshot.Load().of(Primary).fit, m)
}

// replacedEvery is how often who was replaced is asked whether it knows.
func (c *Cluster[T]) replacedEvery() time.Duration {
	if c.config.RoleMaxAge < 0 {
		return defaultRoleMaxAge
	}
	return max(c.config.RoleMaxAge, c.config.RoleEvery)
}
