package cluster

import (
	"sync/atomic"

	"example.com/hale/pool"
)

// A Conn is an acquired connection, for one use, as a [pool.Conn] is: a small value,
// all copies of which mean the same use; methods may be called by any goroutine, more
// than once and in any order. The zero Conn has ended.
type Conn[T any] struct {
	conn   pool.Conn[T]
	ticket *ticket[T]
	use    uint64
}

// A ticket is a place at a member, for one use after the other. A Conn is over once
// its ticket has gone on to the next use.
type ticket[T any] struct {
	cluster *Cluster[T]
	use     atomic.Uint64
	member  atomic.Pointer[member[T]] // nil between two uses; copies of a Conn that has ended look, too
	wished  Role                      // for who begins and who ends the use
	knew    Role                      // what the connection knew of its role; for the same
}

// hand makes a Conn of a connection to m, at which a place was taken.
// knows is what it knows of its role.
func (c *Cluster[T]) hand(w *wish, m *member[T], conn pool.Conn[T], knows Role) Conn[T] {
	t := c.tickets.Get().(*ticket[T])
	t.member.Store(m)
	t.wished, t.knew = w.role, knows
	if w.role == PreferReplica {
		orRelease(conn, func() { c.noteFallback(m) })
	}
	return Conn[T]{conn: conn, ticket: t, use: t.use.Load()}
}

// orRelease calls f, which may call a hook, and releases conn if that panics.
func orRelease[T any](conn pool.Conn[T], f func()) {
	returned := false
	defer func() {
		if !returned {
			conn.Release()
		}
	}()
	f()
	returned = true
}

// member is where the connection leads, or nil if the use has ended.
func (c Conn[T]) member() *member[T] {
	if c.ticket == nil {
		return nil
	}
	m := c.ticket.member.Load()
	if c.ticket.use.Load() != c.use { // it may be of the next
		return nil
	}
	return m
}

// end ends the use, for the first who asks, and calls what that entails; then the
// place is given back.
func (c Conn[T]) end(how func()) {
	if t := c.ticket; t == nil || !t.use.CompareAndSwap(c.use, c.use+1) {
		return
	}
	defer c.giveBack()
	how()
}

func (c Conn[T]) giveBack() {
	t := c.ticket
	owner, m := t.cluster, t.member.Swap(nil)
	owner.tickets.Put(t)
	owner.leave(m)
}

// Value returns what was pooled, or the zero T after the use has ended. It must not
// be used beyond that.
func (c Conn[T]) Value() T { return c.conn.Value() }

// Untouched is as [pool.Conn.Untouched].
func (c Conn[T]) Untouched() bool { return c.conn.Untouched() }

// Endpoint returns where the connection leads, as it was resolved last, or the zero
// Endpoint after the use has ended. Its Role is what is known of it now.
func (c Conn[T]) Endpoint() Endpoint {
	m := c.member()
	if m == nil {
		return Endpoint{}
	}
	e := m.endpoint()
	e.Role = c.ticket.cluster.roleNow(m)
	return e
}

// Report tells how a use went that is not by Do: the error is judged by
// Config.Demoted and Ejection.Failed, or counts as a failure if that is nil; nil is
// a success. It does not end the use; after the end of that it does nothing.
func (c Conn[T]) Report(err error) {
	if m := c.member(); m != nil {
		c.ticket.cluster.report(m, err)
	}
}

// Release gives the connection back, as [pool.Conn.Release] does.
func (c Conn[T]) Release() {
	c.end(func() {
		defer c.conn.Release()
		c.ticket.cluster.atEnd(c)
	})
}

// Close takes the connection out of its pool and closes it, as [pool.Conn.Close]
// does.
func (c Conn[T]) Close() { c.end(c.conn.Close) }

// Hijack takes the connection out of its pool and returns it; it is the caller's to
// close, and none of MaxConns any more. After the use has ended it returns the zero
// T.
func (c Conn[T]) Hijack() (value T) {
	c.end(func() { value = c.conn.Hijack() })
	return value
}

// atEnd takes note of a use that ends by Release.
func (c *Cluster[T]) atEnd(conn Conn[T]) {
	t := conn.ticket
	m := t.member.Load()
	if role, err := c.roleOf(conn.conn); err == nil && role != Any && role != t.knew {
		c.hear(m, role) // it has heard that just now
	}
	if t.wished == Primary && c.failing.Load() && c.roleNow(m) == Primary {
		c.endFailover(m)
	}
}
