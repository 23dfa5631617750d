package network

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/hale/pool"
)

// A visitor uses the pool over and over, as a program does. What it is handed
// has to work; that it is handed nothing is all right.
type visitor struct {
	scene  *scene
	cancel context.CancelFunc
	gone   chan struct{}

	mu     sync.Mutex // guards served
	served []time.Time
}

const (
	visitEvery = 20 * time.Millisecond
	// visitPatience is how long a visitor waits for a connection. It is short,
	// so as not to miss the moment when there is one.
	visitPatience = dialTimeout / 4
)

// visit has the pool visited until the test ends, or leave is called. It is the
// same visitor every time.
func (s *scene) visit() *visitor {
	if s.visitor == nil {
		ctx, cancel := context.WithCancel(s.t.Context())
		s.visitor = &visitor{scene: s, cancel: cancel, gone: make(chan struct{})}
		go s.visitor.run(ctx)
		s.t.Cleanup(s.visitor.leave)
	}
	return s.visitor
}

func (v *visitor) run(ctx context.Context) {
	defer close(v.gone)
	pace := time.NewTicker(visitEvery)
	defer pace.Stop()
	for ctx.Err() == nil {
		v.once(ctx)
		<-pace.C
	}
}

func (v *visitor) leave() {
	v.cancel()
	<-v.gone
}

func (v *visitor) once(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, visitPatience)
	defer cancel()
	c, err := v.scene.pool.Acquire(short)
	if err != nil {
		if short.Err() == nil || !errors.Is(err, short.Err()) {
			v.scene.t.Errorf("acquire: %v", err)
		}
		return
	}
	defer c.Release()
	conn := c.Value()
	conn.SetDeadline(time.Now().Add(dialTimeout + noise))
	if err := ask(conn, echo); err != nil {
		v.scene.t.Errorf("the pool has handed out a dead connection: %v", err)
		return
	}
	conn.SetDeadline(time.Time{})
	v.mu.Lock()
	defer v.mu.Unlock()
	v.served = append(v.served, time.Now())
}

// turnedAway checks that there is nothing to be had from the pool, and that it
// says so.
func (v *visitor) turnedAway() {
	s := v.scene
	s.t.Helper()
	eventually(s.t, dialTimeout+noise, "the pool says that the endpoint is unavailable", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), visitPatience)
		defer cancel()
		c, err := s.pool.Acquire(ctx)
		if err == nil {
			c.Close()
			s.t.Error("a connection, and no way to the server")
		}
		return err == nil || errors.Is(err, pool.ErrUnavailable)
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := len(v.served); n > 0 {
		s.t.Errorf("%d connections, and no way to the server", n)
	}
}

// servedAfter waits for the first visit that ended well after since, and
// returns when it did.
func (v *visitor) servedAfter(since time.Time) (at time.Time) {
	v.scene.t.Helper()
	eventually(v.scene.t, time.Until(since)+recovery+noise, "a connection that works", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, at = range v.served {
			if !at.Before(since) {
				return true
			}
		}
		return false
	})
	return at
}
