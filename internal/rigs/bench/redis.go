package bench

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"example.com/hale/internal/rigs/bench/fake"
)

// openRedis opens a client of go-redis, whose pool is in an internal package. A use
// is a command that takes a connection and then fails to be written, by an error
// that says nothing against the connection: so it is given back and nothing was
// sent. What is measured besides is the way of a command to its connection.
func openRedis(tb testing.TB, conns int) Use {
	s := serve(tb, fake.Redis)
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr, PoolSize: conns, Protocol: 2, DisableIdentity: true, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	tb.Cleanup(func() { client.Close() })
	ctx := context.Background()
	return func(held func()) error {
		err := client.Process(ctx, redis.NewCmd(ctx, unsent{held}))
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	}
}

// unsent is the argument of a command that is not sent.
type unsent struct{ held func() }

func (u unsent) MarshalBinary() ([]byte, error) {
	if u.held != nil {
		u.held()
	}
	return nil, redis.Nil
}
