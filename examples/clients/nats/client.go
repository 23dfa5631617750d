package natshale

import (
	"cmp"
	"context"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// A Client is a NATS connection whose requests end with the TCP connection that
// they were sent on.
//
// nats.go reconnects by itself, subscribes again, and sends what was published
// meanwhile; but a request whose reply was lost with the old connection waits
// until its own context ends. The disconnect handler is told why the
// connection ended, and so can the request be.
type Client struct {
	*nats.Conn

	mu   sync.Mutex // guards what follows
	life context.Context
	end  context.CancelCauseFunc
}

// Connect connects to the server at address over connections that dial makes:
// the DialContext of a hale.Dialer, or nil for nats.go's own. (A *hale.Dialer
// itself fits nats.SetCustomDialer too, but see the timeout below.)
func Connect(address string, dial Dial) (*Client, error) {
	c := new(Client)
	c.begin()
	opts := []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.over(err) }),
		nats.MaxReconnects(-1), // never give up; the default is 60 attempts
	}
	if dial != nil {
		opts = append(opts, nats.SetCustomDialer(dialer(dial)))
	}
	var err error
	c.Conn, err = nats.Connect("nats://"+address, opts...)
	return c, err
}

// dialer is a dial function in the shape that nats.go asks for.
type dialer Dial

// Dial has the timeout that nats.go gives its own dialer, and no other.
func (dial dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), nats.DefaultTimeout)
	defer cancel()
	return dial(ctx, network, address)
}

// Request sends data to subject and returns the reply. If the connection ends
// before that, the error is why: a *health.DeadError if it died.
func (c *Client) Request(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	life := c.current()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(life, func() { cancel(context.Cause(life)) })()
	msg, err := c.RequestWithContext(ctx, subject, data)
	if err != nil && life.Err() != nil {
		return nil, context.Cause(life)
	}
	return msg, err
}

// begin begins the life of a TCP connection.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life, c.end = context.WithCancelCause(context.Background())
}

// over ends it. err is nil if this side has closed the connection.
func (c *Client) over(err error) {
	c.mu.Lock()
	end := c.end
	c.mu.Unlock()
	c.begin()
	end(cmp.Or(err, nats.ErrConnectionClosed))
}

func (c *Client) current() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
}
