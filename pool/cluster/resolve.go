package cluster

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

const (
	resolveTimeout = 10 * time.Second
	resolvePause   = time.Second      // between two calls of Resolve, and after the first that failed
	resolveMost    = 30 * time.Second // after many that failed
)

// resolve asks for the endpoints, until the cluster is closed.
func (c *Cluster[T]) resolve() {
	pause := time.Duration(0) // after an error; 0 if there was none
	for {
		if c.resolveOnce() == nil {
			pause = 0
		} else {
			pause = grown(pause)
		}
		if !sleep(c.life, resolvePause) || !c.untilResolve(pause) {
			return
		}
	}
}

// grown is the pause after another failure.
func grown(pause time.Duration) time.Duration {
	return min(max(resolvePause, 2*pause), resolveMost)
}

// jittered is d, give or take a fifth, so that clients do not ask together.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(min(d, math.MaxInt64/2)) * (0.8 + 0.4*rand.Float64()))
}

// untilResolve waits until the endpoints are to be asked for again; false if the
// cluster is closed before. A pause of resolvePause is over already.
func (c *Cluster[T]) untilResolve(pause time.Duration) bool {
	if pause == resolvePause {
		return true
	}
	var timer <-chan time.Time
	lost := c.lost
	switch {
	case pause > 0:
		t := time.NewTimer(jittered(pause - resolvePause))
		defer t.Stop()
		timer, lost = t.C, nil
	case c.config.ResolveEvery > 0:
		t := time.NewTimer(jittered(c.config.ResolveEvery) - resolvePause)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-lost:
	case <-c.life.Done():
		return false
	}
	return true
}

// sleep waits, and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Cluster[T]) resolveOnce() error {
	ctx, cancel := context.WithTimeout(c.life, resolveTimeout)
	defer cancel()
	all, ended, err := guardUntil(ctx, "Resolve", func() ([]Endpoint, error) { return c.config.Resolve(ctx) })
	if c.life.Err() != nil {
		return nil
	}
	if err == nil {
		return c.update(all)
	}
	c.unresolved(err)
	select {
	case <-ended: // it is not called again before
	case <-c.life.Done():
	}
	return err
}

// errWatchEnded is a Watch that returned without an error before its ctx ended.
var errWatchEnded = errors.New("cluster: Watch has returned")

// watch has the endpoints told, until the cluster is closed.
func (c *Cluster[T]) watch() {
	for pause := time.Duration(0); ; {
		began := time.Now()
		_, err := guard(c.life, "Watch", func() (struct{}, error) { return struct{}{}, c.config.Watch(c.life, c.update) })
		if c.life.Err() != nil {
			return
		}
		if err == nil {
			err = errWatchEnded
		}
		c.unresolved(err)
		if time.Since(began) > resolveMost {
			pause = 0
		}
		pause = grown(pause)
		if !sleep(c.life, jittered(pause)) {
			return
		}
	}
}
