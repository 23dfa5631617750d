package main

import (
	"context"
	"net"
	"time"

	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/wait"
)

const (
	conns    = 16
	patience = 500 * time.Millisecond // with a server that is dialled
)

// pauses are the times between two requests of a worker, one for each worker.
// The quick ones meet the freeze with a request under way, which A's kernel
// has taken and A has not answered; slow ones send theirs after it, to nobody.
var pauses = []time.Duration{
	2 * time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond,
	200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond,
}

// A contestant is a pool under the load.
type contestant interface {
	// use runs fn on a connection, as pool.Pool.Do does.
	use(ctx context.Context, fn func(net.Conn) error) error
	retried() int64
	// abort makes calls of use return that are under way; close comes after,
	// when none is.
	abort()
	close()
}

// An outcome is what a trial has shown. Times are from the freeze on, and
// negative if it never came to that.
type outcome struct {
	loadtest.Result
	duplicated int
	retried    int64
	detected   time.Duration // until the last connection to A was found dead
	recovered  time.Duration // until the first reply to a request that was made after the freeze
	stopped    time.Duration // until the load was stopped
}

// A trial is two servers behind a name, and a pool that is put through it.
type trial struct {
	options
	ledger  loadtest.Ledger
	a, b    *loadtest.Server
	name    *loadtest.Name
	witness *witness
}

// run is the whole of it. A plain pool is stopped before the thaw.
func (t *trial) run(ctx context.Context, build func(*trial) (contestant, error), plain bool) (o outcome, err error) {
	if t.a, err = loadtest.Serve("A", &t.ledger); err != nil {
		return o, err
	}
	defer t.a.Close()
	if t.b, err = loadtest.Serve("B", &t.ledger); err != nil {
		return o, err
	}
	defer t.b.Close()
	t.name = loadtest.NewName(patience, t.a, t.b)
	pool, err := build(t)
	if err != nil {
		return o, err
	}
	defer pool.close()
	load := loadtest.Load{Pauses: pauses, Use: pool.use, Replied: t.witness.replied}.Start()
	err = t.suffer(ctx, plain)
	stopped := time.Now()
	o.Result = load.Stop(pool.abort)
	o.duplicated, o.retried = t.ledger.Duplicated(), pool.retried()
	t.witness.account(&o, stopped)
	return o, err
}

// suffer is what happens to the servers while the load runs.
func (t *trial) suffer(ctx context.Context, plain bool) error {
	if err := wait.Sleep(ctx, t.freezeAfter); err != nil {
		return err
	}
	t.witness.freeze(t.a)
	if err := t.a.Freeze(); err != nil {
		return err
	}
	t.witness.froze()
	if err := wait.Sleep(ctx, t.thawAfter); err != nil || plain {
		return err
	}
	if err := t.a.Thaw(); err != nil {
		return err
	}
	t.witness.thaw()
	return wait.Sleep(ctx, t.runOn)
}
