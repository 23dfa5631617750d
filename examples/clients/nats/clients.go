package natshale

import (
	"context"
	"fmt"

	"example.com/hale/internal/lab/trial"
)

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "nats.go", Open: open}}
}

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	c, err := Connect(address, dial)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return exchange(ctx, c, "ping") },
		Close:   func() error { c.Close(); return nil },
	}, nil
}

func exchange(ctx context.Context, c *Client, text string) error {
	msg, err := c.Request(ctx, subject, []byte(text))
	if err == nil && string(msg.Data) != text {
		return fmt.Errorf("nats: %q came back as %q", text, msg.Data)
	}
	return err
}
