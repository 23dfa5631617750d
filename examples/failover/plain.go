package main

import (
	"context"
	"net"
	"sync"

	"github.com/jackc/puddle/v2"

	"example.com/hale/internal/lab/failover"
)

// plainPool is puddle with what net.Dialer dials, both as they come.
type plainPool struct {
	*puddle.Pool[net.Conn]
	trial *failover.Trial

	mu    sync.Mutex // guards conns
	conns []net.Conn // every one that was dialled
}

func newPlainPool(t *failover.Trial) (failover.Pool, error) {
	p := &plainPool{trial: t}
	var err error
	p.Pool, err = puddle.NewPool(&puddle.Config[net.Conn]{
		Constructor: p.dial,
		Destructor:  func(c net.Conn) { c.Close() },
		MaxSize:     failover.Conns,
	})
	for range failover.Conns {
		if err == nil {
			err = p.CreateResource(context.Background())
		}
	}
	if err != nil && p.Pool != nil {
		p.Close()
	}
	return p, err
}

func (p *plainPool) dial(ctx context.Context) (net.Conn, error) {
	c, err := p.trial.Dial(ctx, new(net.Dialer).DialContext)
	if err == nil {
		p.mu.Lock()
		p.conns = append(p.conns, c)
		p.mu.Unlock()
	}
	return c, err
}

func (p *plainPool) Use(ctx context.Context, fn func(net.Conn) error) error {
	res, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := fn(res.Value()); err != nil {
		res.Destroy()
		return err
	}
	res.Release()
	return nil
}

func (p *plainPool) Retried() int64 { return 0 }

func (p *plainPool) Abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}
