package main

import (
	"context"
	"errors"
	"time"

	"example.com/hale/internal/lab/wait"
	"example.com/hale/pool"
)

// errStuck is a request that does not end.
var errStuck = errors.New("there are requests that do not end")

// rest is a quiet moment: nobody asks, and the pool shows all that it has.
func (s *soaking) rest(when string) error {
	if !s.hush() {
		s.account.balance()
		return errStuck
	}
	defer s.load.gate.Unlock()
	s.downtime.rests(true)
	defer s.downtime.rests(false)
	s.history.begins(quiet, 0)
	defer s.history.ends(quiet, 0)
	if err := s.settle(); err != nil {
		return err
	}
	held := s.acquireAll()
	defer release(held)
	s.outages.settled(when, s.pool.Stats())
	sample, err := s.sample(when, len(held))
	if err != nil {
		return err
	}
	s.quiet = append(s.quiet, sample)
	s.line.Print(time.Now(), "%s: %d requests, %d goroutines, %d fds, %s",
		when, s.tally.soFar().requests, sample.Goroutines, sample.FDs, mib(sample.Heap))
	return nil
}

// sample is compared with that of the first quiet moment.
func (s *soaking) sample(when string, conns int) (sample, error) {
	if len(s.quiet) == 0 {
		return still(when, conns)
	}
	now, err := settled(when, conns, s.quiet[0])
	if err == nil {
		s.compare(s.quiet[0], now)
	}
	return now, err
}

// hush waits until no request is under way, and keeps it so. It is false if
// one does not end.
func (s *soaking) hush() bool {
	locked := make(chan struct{})
	go func() {
		s.load.gate.Lock()
		close(locked)
	}()
	timer := time.NewTimer(s.deadline() + 5*tolerance)
	defer timer.Stop()
	select {
	case <-locked:
		return true
	case <-timer.C:
		return false
	}
}

// acquireAll takes every connection that the pool can have, and uses each.
// With all of them in use, nothing goes on behind the scenes.
func (s *soaking) acquireAll() (held []pool.Conn[*session]) {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience())
	defer cancel()
	for len(held) < s.conns() {
		c, err := s.acquire(ctx)
		if err != nil {
			s.findings.add(checkPlaces, "only %d of %d connections are to be had: %v; %+v", len(held), s.conns(), err, s.pool.Stats())
			return held
		}
		held = append(held, c)
	}
	end, _ := ctx.Deadline()
	for _, c := range held {
		if err := c.Value().conn.SetDeadline(end); err == nil {
			err = check(ctx, c.Value())
			if err != nil {
				s.findings.add(checkPlaces, "a connection that was handed out in a quiet moment does not work: %v", err)
			}
		}
	}
	return held
}

// acquire waits for the end of an outage, whether the pool does or not: one may
// be just ending.
func (s *soaking) acquire(ctx context.Context) (pool.Conn[*session], error) {
	for {
		c, err := s.pool.Acquire(ctx)
		if !errors.Is(err, pool.ErrUnavailable) || wait.Sleep(ctx, time.Millisecond) != nil {
			return c, err
		}
	}
}

func release(held []pool.Conn[*session]) {
	for _, c := range held {
		c.Release()
	}
}
