package redishale

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"example.com/hale/internal/lab/trial"
)

// Clients are the ways to use Redis from Go.
func Clients() []trial.Client {
	return []trial.Client{
		{Name: "go-redis", Open: openCommands},
		{Name: "go-redis, PubSub", Open: openSubscription},
	}
}

func openCommands(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	c := NewClient(address, dial)
	return trial.Session{
		Request: func(ctx context.Context) error { return c.Incr(ctx, "requests").Err() },
		Close:   c.Close,
	}, nil
}

func openSubscription(ctx context.Context, address string, dial trial.Dial) (trial.Session, error) {
	c := NewClient(address, dial)
	s := &subscription{of: c.Subscribe(ctx, "trial")}
	return trial.Session{
		Request: s.request,
		Close:   func() error { return errors.Join(s.of.Close(), c.Close()) },
	}, nil
}

// subscription is a program that waits for messages and, so that a trial can
// tell whether it would get them, asks for one: the reply to a ping.
type subscription struct {
	of *redis.PubSub

	mu    sync.Mutex // held by who waits
	pings int
}

func (s *subscription) request(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A PubSub that waits heeds its ctx only before it does.
	defer context.AfterFunc(ctx, func() { s.of.Close() })()
	s.pings++
	want := strconv.Itoa(s.pings)
	if err := s.of.Ping(ctx, want); err != nil {
		return err
	}
	for {
		message, err := s.of.Receive(ctx)
		if err != nil {
			return err
		}
		pong, ok := message.(*redis.Pong)
		switch {
		case !ok: // the subscription itself
		case pong.Payload == want:
			return nil
		default:
			return fmt.Errorf("a reply to ping %s, not to %s", pong.Payload, want)
		}
	}
}
