package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// revealed is a connection that hides the one that was dialled for it.
type revealed struct {
	net.Conn
	dialled net.Conn
}

// NetConn returns what was dialled.
func (c *revealed) NetConn() net.Conn { return c.dialled }

// SyscallConn is there for drivers that look at the socket.
func (c *revealed) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.dialled.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// dialRecorded calls dial under a context that records what is dialled, and makes the
// last connection of those found under the result, whatever wraps it.
func dialRecorded(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	ctx, record := netconn.Record(ctx)
	conn, err := dial(ctx)
	dialled := record.Seal()
	if err != nil || isNil(conn) || dialled == nil {
		return conn, err
	}
	if _, ok := netconn.Find[vital](conn); ok {
		return conn, nil
	}
	return &revealed{conn, dialled}, nil
}

// watch has the death of a connection told, and counts one of which that cannot be.
func (p *Pool[T]) watch(s *slot[T], conn net.Conn) {
	var why error
	if w, ok := netconn.Find[watchable](conn); !ok {
		why = errNotWatchable(conn)
	} else if ours(w) {
		why = p.watchBy(s, w)
	} else {
		why = guard("Watch", func() error { return p.watchBy(s, w) })
	}
	if why == nil {
		return
	}
	s.mu.Lock()
	s.unwatched = true
	s.mu.Unlock()
	if counted, ok := conn.(*countedConn); ok {
		conn = counted.Conn // what Dial returned
	}
	p.tellUnwatched.Do(func() { p.config.Observer.unwatched(UnwatchedInfo{Conn: conn, Err: why}) })
}

// watchBy is watch by w, and returns why that does not tell.
func (p *Pool[T]) watchBy(s *slot[T], w watchable) (why error) {
	stop := w.Watch(func(dead *health.DeadError) {
		if dead == nil { // of a connection that does not say why
			dead = &health.DeadError{Cause: health.Unknown, Op: "watch", Detected: time.Now(), Peer: s.addr, Err: errLifeless}
		}
		p.died(s, dead)
	})
	s.mu.Lock()
	s.unwatch = stop
	s.mu.Unlock()
	if u, ok := w.(interface{ Unwatched() error }); ok {
		why = u.Unwatched()
	}
	return why
}

// errNotWatchable says what to do about a connection that tells of no death.
func errNotWatchable(conn net.Conn) error {
	return fmt.Errorf("pool: no *hale.Conn is found under %T: dial it by a hale.Dialer with the ctx of Dial, or adopt it: %w",
		netconn.Innermost(conn), errors.ErrUnsupported)
}
