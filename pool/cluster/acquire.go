package cluster

import (
	"context"
	"errors"
	"maps"
	"time"

	"example.com/hale/pool"
)

const (
	// nextAfter is how long an endpoint is tried before the next one is: as long as
	// gRPC's pick_first and Happy Eyeballs (RFC 8305 section 5) wait. It doubles
	// each time that all have been tried, up to nextMost.
	nextAfter = 250 * time.Millisecond
	nextMost  = 4 * time.Second
	// roundPause is how long a round takes at the least, for endpoints whose dials
	// fail at once.
	roundPause = 20 * time.Millisecond
)

// An acquisition is one caller's way to a connection that is not to be had at once.
type acquisition[T any] struct {
	cluster *Cluster[T]
	ctx     context.Context
	wish    *wish
	turn    uint64
	began   time.Time
	avoid   set[T] // from the beginning
	tried   set[T] // in this round, and avoid
	waited  bool   // it has been in the queue
	round   int
	started time.Time // the round
	hops    int
	causes  []cause
}

// acquireInTurn is Acquire in turn; at m, if that is not nil, a place was taken.
func (c *Cluster[T]) acquireInTurn(ctx context.Context, w *wish, m *member[T], avoid set[T]) (got Conn[T], err error) {
	now := time.Now()
	a := &acquisition[T]{cluster: c, ctx: ctx, wish: w, turn: c.queue.turn(), began: now, started: now, avoid: avoid, tried: maps.Clone(avoid)}
	c.stats.waiting.Add(1)
	defer func() {
		c.stats.waiting.Add(-1)
		wait := time.Since(now)
		c.stats.waitTime.Add(int64(wait))
		if got.ticket != nil {
			c.stats.waits.Add(1)
		}
	}()
	got, err = a.run(m)
	if hook := c.config.Observer.set().Waited; hook != nil {
		returned := false
		defer func() {
			if !returned {
				got.Release()
			}
		}()
		info := WaitedInfo{Wait: time.Since(now), Hops: a.hops, Err: err}
		if err == nil {
			info.Endpoint = got.Endpoint()
		}
		hook(ctx, info)
		returned = true
	}
	return got, err
}

// run goes from one endpoint to the next until it has a connection.
func (a *acquisition[T]) run(m *member[T]) (Conn[T], error) {
	c := a.cluster
	if err := a.ctx.Err(); err != nil {
		return Conn[T]{}, unsent(err)
	}
	for {
		if m == nil {
			var err error
			if m, err = a.wait(); err != nil {
				return Conn[T]{}, err
			}
			var got Conn[T]
			if got, m = c.tryIdle(a.ctx, a.wish, m, a.tried); got.ticket != nil {
				return got, nil
			}
			if m == nil {
				continue
			}
		}
		got, err := a.try(m)
		if err == nil {
			return got, nil
		}
		if c.life.Err() != nil {
			return Conn[T]{}, pool.ErrClosed
		}
		if broken, ok := errors.AsType[*brokenError](err); ok {
			return Conn[T]{}, unsent(broken.error)
		}
		again := a.note(m, err)
		if a.ctx.Err() != nil {
			return Conn[T]{}, a.failed(a.ctx.Err())
		}
		m = nil
		if again || a.left() == 0 {
			if err := a.nextRound(); err != nil {
				return Conn[T]{}, err
			}
		}
	}
}

// note takes note of an endpoint that gave nothing, and reports whether it had done
// so before in this round: those that were not tried have no place then.
func (a *acquisition[T]) note(m *member[T], err error) (again bool) {
	a.hops++
	a.cluster.stats.hops.Add(1)
	again = a.tried[m]
	if a.tried == nil {
		a.tried = make(set[T])
	}
	a.tried[m] = true
	over := errors.Is(err, context.DeadlineExceeded)
	if over && !a.ended() {
		a.cluster.setDoubt(m)
	}
	if !over || !a.ended() || len(a.causes) == 0 {
		a.causes = addCause(a.causes, m.endpoint().Address, err)
	}
	return again
}

// ended reports whether the caller's ctx has ended, or does at this moment.
func (a *acquisition[T]) ended() bool {
	deadline, ok := a.ctx.Deadline()
	return a.ctx.Err() != nil || ok && time.Until(deadline) <= 0
}

// left is how many endpoints there are that were not tried in this round.
func (a *acquisition[T]) left() int {
	return left(a.cluster.snapshot.Load().of(a.wish.role).reach, a.tried)
}

// nextRound begins anew, with more patience.
func (a *acquisition[T]) nextRound() error {
	a.round++
	clear(a.tried)
	pause := roundPause<<min(a.round-1, 4) - time.Since(a.started)
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.ctx.Done():
			return a.failed(a.ctx.Err())
		case <-a.cluster.life.Done():
			return pool.ErrClosed
		}
	}
	a.started = time.Now()
	return nil
}

// wait returns a member at which a place was taken.
func (a *acquisition[T]) wait() (*member[T], error) {
	c := a.cluster
	w := &waiter[T]{wish: a.wish, avoid: a.tried, came: a.turn, told: make(chan *member[T], 1)}
	most := c.config.MaxWaiters
	if a.waited || a.hops > 0 {
		most = 0
	}
	if err := c.queue.push(w, most); err != nil {
		return nil, err
	}
	a.waited = true
	c.served() // it may be next
	for {
		var news <-chan struct{}
		if c.config.FailFast {
			news = c.nextNews()
			if c.hopeless(a.wish) && c.queue.remove(w) {
				return nil, a.failed(nil)
			}
		}
		select {
		case m := <-w.told:
			if m == nil {
				return nil, pool.ErrClosed
			}
			return m, nil
		case <-a.ctx.Done():
			if !c.queue.remove(w) {
				if m := <-w.told; m != nil {
					c.leave(m)
				}
			}
			return nil, a.failed(a.ctx.Err())
		case <-news:
		}
	}
}

// patience is for how long m is tried.
func (a *acquisition[T]) patience() time.Duration {
	d := min(nextAfter<<min(a.round, 8), nextMost)
	if deadline, ok := a.ctx.Deadline(); ok {
		d = min(d, time.Until(deadline)/time.Duration(max(1, a.left())))
	}
	return d
}

// try has a connection to m, at which a place was taken and is given back if there
// is an error.
func (a *acquisition[T]) try(m *member[T]) (got Conn[T], err error) {
	c := a.cluster
	returned := false
	defer func() {
		if !returned || err != nil {
			c.leave(m)
		}
	}()
	conn, knows, err := a.open(m)
	if err == nil {
		got = c.hand(a.wish, m, conn, knows)
	}
	returned = true
	return got, err
}

// open has a connection to m that is in the role that is wished, and what it knows of
// that. What the asking has sent is no part of the caller's use, so another use begins
// after it; and a slow answer is no reason to try another endpoint.
func (a *acquisition[T]) open(m *member[T]) (conn pool.Conn[T], knows Role, err error) {
	c := a.cluster
	conn, plays, knows, err := a.connect(m, false)
	if err != nil || plays {
		return conn, knows, err
	}
	if a.wish.role == Primary && c.config.Role != nil {
		if c.fresh(m) { // it was asked meanwhile
			conn.Release()
		} else if err = c.askHere(a.ctx, m, conn); err != nil {
			return pool.Conn[T]{}, Any, err
		}
		if conn, plays, knows, err = a.connect(m, true); err != nil || plays {
			return conn, knows, err
		}
	}
	conn.Release()
	return pool.Conn[T]{}, Any, errOtherRole
}

// connect has a connection to m, and whether that is known to be in the role that is
// wished; asked is whether that was asked for just now.
func (a *acquisition[T]) connect(m *member[T], asked bool) (conn pool.Conn[T], plays bool, knows Role, err error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.patience())
	defer cancel()
	if conn, err = m.pool.Acquire(ctx); err != nil {
		return conn, false, Any, err
	}
	if plays, knows, err = a.cluster.plays(a.wish, m, conn, asked); err != nil {
		err = &brokenError{err}
	}
	return conn, plays, knows, err
}
