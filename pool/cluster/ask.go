package cluster

import (
	"context"
	"fmt"
	"time"

	"example.com/hale/pool"
)

// Who is asked for its role, when, and on which connection.

// callRole is Config.Role of a connection to m.
func (c *Cluster[T]) callRole(ctx context.Context, m *member[T], value T) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.RoleTimeout)
	defer cancel()
	a = c.ask(m)
	a.role, err = guard(ctx, "Role", func() (Role, error) { return c.config.Role(ctx, value) })
	if err == nil && !a.role.isRole() {
		err = fmt.Errorf("cluster: Role returned %v: must be Primary, Replica or Any", a.role)
	}
	return a, err
}

// asking is a question for a role that is under way.
type asking struct {
	done chan struct{} // closed when there is an answer
	err  error         // that it has failed with; set before
}

// askHere asks a connection for the role of m, unless m is being asked already, and
// ends its use. If ctx ends before there is an answer, that is learned then.
func (c *Cluster[T]) askHere(ctx context.Context, m *member[T], conn pool.Conn[T]) error {
	asked, begun := c.beginAsking(m)
	switch {
	case !begun:
		conn.Release()
	case !c.wg.Go(func() {
		defer c.endAsking(m)
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(c.life, cancel)()
		asked.err = c.askOn(ctx, m, conn)
	}):
		conn.Release()
		c.endAsking(m)
		return pool.ErrClosed
	}
	select {
	case <-asked.done:
		return asked.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginAsking begins to ask m for its role, for the caller to do, unless it is being
// asked.
func (c *Cluster[T]) beginAsking(m *member[T]) (a *asking, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun = m.asking == nil; begun {
		m.asking = &asking{done: make(chan struct{})}
	}
	return m.asking, begun
}

func (c *Cluster[T]) endAsking(m *member[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(m.asking.done)
	m.asking = nil
	c.announce()
}

// askOn asks a connection for the role of m, and ends its use.
func (c *Cluster[T]) askOn(ctx context.Context, m *member[T], conn pool.Conn[T]) error {
	returned := false
	defer func() {
		if !returned {
			conn.Close()
		}
	}()
	answer, err := c.callRole(ctx, m, conn.Value())
	if err != nil {
		return err
	}
	returned = true
	conn.Release()
	c.learn(m, answer)
	signal(c.spill) // it may be one too many
	return nil
}

// openAsking is open, and Config.Role of what that opens.
func (c *Cluster[T]) openAsking(m *member[T], open opener[T]) opener[T] {
	return func(ctx context.Context, conn conn) (T, error) {
		value, err := open(ctx, conn)
		if err != nil {
			return value, err
		}
		answer, err := c.callRole(ctx, m, value)
		if err == nil {
			c.learn(m, answer)
			return value, nil
		}
		if c.config.Pool.Close != nil {
			_, _ = guard(c.life, "Close", func() (struct{}, error) { return struct{}{}, c.config.Pool.Close(value) })
		}
		var zero T
		return zero, fmt.Errorf("cluster: Role: %w", err)
	}
}

// seekPause is the least time between two rounds of asking, whatever happens.
const seekPause = 20 * time.Millisecond

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
		if next := c.askAll(); next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		if !sleep(c.life, seekPause) {
			return
		}
	}
}

// toAsk is who is to be asked for its role: everybody while there is no primary,
// else those of whom nothing was learned yet, and those that were replaced and may
// know it by now. The caller holds mu.
func (c *Cluster[T]) toAsk() []*member[T] {
	none, now := c.resolved && !c.hasPrimary(), time.Now()
	return filter(c.members, func(m *member[T]) bool { return m.usable() && (none || c.isDue(m, now)) })
}

// isDue reports whether m is to be asked also if there is a primary. The caller holds mu.
func (c *Cluster[T]) isDue(m *member[T], now time.Time) bool {
	return m.asked == 0 || c.replaced(m) && !now.Before(m.askAt)
}

// askAll begins a round: it asks those at once that are to be asked, and not being
// asked already. It returns when the next is due; 0 is never.
func (c *Cluster[T]) askAll() (next time.Duration) {
	c.mu.Lock()
	if !c.resolved {
		c.mu.Unlock()
		return 0
	}
	all := c.toAsk()
	c.begun++
	round := c.begun
	next = c.nextRound(len(all) > 0)
	c.mu.Unlock()
	var answers []*asking
	for _, m := range all {
		a, begun := c.beginAsking(m)
		if begun && !c.wg.Go(func() {
			defer c.endAsking(m)
			a.err = c.askOne(m)
		}) {
			c.endAsking(m)
		}
		answers = append(answers, a)
	}
	c.wg.Go(func() { c.endRound(round, answers) })
	return next
}

// nextRound is when the next round is due, after one that asks somebody or not; 0 is
// never. The caller holds mu.
func (c *Cluster[T]) nextRound(asks bool) (next time.Duration) {
	if asks || !c.hasPrimary() {
		return c.config.RoleEvery
	}
	for _, m := range filter(c.members, c.replaced) {
		if wait := max(time.Until(m.askAt), time.Millisecond); next == 0 || wait < next {
			next = wait
		}
	}
	return next
}

// endRound takes note that all were asked, when they were.
func (c *Cluster[T]) endRound(round uint64, answers []*asking) {
	for _, a := range answers {
		<-a.done
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds = max(c.rounds, round)
	c.announce()
}

// askOne asks one member for its role, unless a connection that is opened for it
// has done so.
func (c *Cluster[T]) askOne(m *member[T]) error {
	known := c.timesAsked(m)
	ctx, cancel := context.WithTimeout(c.life, c.config.RoleTimeout)
	defer cancel()
	conn, err := m.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	if c.timesAsked(m) == known {
		return c.askOn(ctx, m, conn)
	}
	conn.Release()
	signal(c.spill)
	return nil
}

func (c *Cluster[T]) timesAsked(m *member[T]) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.asked
}
