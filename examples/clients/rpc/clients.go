package rpchale

import (
	"context"
	"fmt"
	"net"
	"net/rpc"

	"example.com/hale/internal/lab/trial"
	"example.com/hale/pool"
)

// maxConns is enough for the workers of a trial.
const maxConns = 8

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "hale/pool, net/rpc", Open: open}}
}

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	p, err := NewPool(address, dial, maxConns)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return say(ctx, p, "ping") },
		Close:   func() error { p.Close(); return nil },
	}, nil
}

func say(ctx context.Context, p *pool.Pool[*rpc.Client], text string) error {
	var got string
	err := Call(ctx, p, "Echo.Say", text, &got)
	if err == nil && got != text {
		return fmt.Errorf("rpc: %q came back as %q", text, got)
	}
	return err
}
