// Package failover puts a busy pool through the loss of its server: two servers
// stand behind one name, all connections lead to the first, and that one is
// frozen in the middle of the load, and perhaps thawed again.
package failover

import (
	"context"
	"net"
	"time"

	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/wait"
)

// Conns is how many connections a pool keeps.
const Conns = 16

// patience is what a server has that is dialled.
const patience = 500 * time.Millisecond

// Pauses are the times between two requests of a worker, one for each worker.
// The quick ones meet the freeze with a request under way, which A's kernel
// has taken and A has not answered; slow ones send theirs after it, to nobody.
var Pauses = []time.Duration{
	2 * time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond,
	200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond,
}

// A Pool is what is put through it.
type Pool interface {
	// Use runs fn on a connection, as pool.Pool.Do does.
	Use(ctx context.Context, fn func(net.Conn) error) error
	// Retried is how many requests the pool has sent again.
	Retried() int64
	// Abort makes calls of Use return that are under way; Close comes after,
	// when none is.
	Abort()
	Close()
}

// An Outcome is what a trial has shown. Times are from the freeze on, and
// negative if it never came to that.
type Outcome struct {
	loadtest.Result
	Duplicated int
	Retried    int64
	Detected   time.Duration // until the last connection to A was found dead
	Recovered  time.Duration // until the first reply to a request that was made after the freeze
	Stopped    time.Duration // until the load was stopped
}

// A Trial is two servers behind a name, and a pool that is put through it.
type Trial struct {
	FreezeAfter time.Duration // from the start of the load
	ThawAfter   time.Duration // from the freeze
	RunOn       time.Duration // from the thaw
	NoThaw      bool          // it ends where the thaw would be
	Observer    *Observer     // required

	account loadtest.Account
	a, b    *loadtest.Server
	name    *loadtest.Name
}

// Dial dials the server that the name leads to now, by dial.
func (t *Trial) Dial(ctx context.Context, dial loadtest.DialFunc) (net.Conn, error) {
	return t.name.Dial(ctx, dial)
}

// Run is the whole of it, once.
func (t *Trial) Run(ctx context.Context, open func(*Trial) (Pool, error)) (o Outcome, err error) {
	if t.a, err = loadtest.Serve("A", &t.account); err != nil {
		return o, err
	}
	defer t.a.Close()
	if t.b, err = loadtest.Serve("B", &t.account); err != nil {
		return o, err
	}
	defer t.b.Close()
	t.name = loadtest.NewName(patience, t.a, t.b)
	t.Observer.a = t.a.Addr()
	pool, err := open(t)
	if err != nil {
		return o, err
	}
	defer pool.Close()
	return t.load(ctx, pool)
}

func (t *Trial) load(ctx context.Context, pool Pool) (o Outcome, err error) {
	load := loadtest.Load{Pauses: Pauses, Use: pool.Use, Replied: t.Observer.replied}.Start()
	err = t.suffer(ctx)
	stopped := time.Now()
	o.Result = load.Stop(pool.Abort)
	o.Duplicated, o.Retried = t.account.Duplicated(), pool.Retried()
	t.Observer.enter(&o, stopped)
	return o, err
}

// suffer is what happens to the servers while the load runs.
func (t *Trial) suffer(ctx context.Context) error {
	if err := wait.Sleep(ctx, t.FreezeAfter); err != nil {
		return err
	}
	t.Observer.freeze()
	if err := t.a.Freeze(); err != nil {
		return err
	}
	t.Observer.froze()
	if err := wait.Sleep(ctx, t.ThawAfter); err != nil || t.NoThaw {
		return err
	}
	if err := t.a.Thaw(); err != nil {
		return err
	}
	t.Observer.thaw()
	return wait.Sleep(ctx, t.RunOn)
}
