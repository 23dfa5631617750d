// Package sshhale shows golang.org/x/crypto/ssh with hale's pool.
package sshhale

import (
	"context"
	"net"

	"golang.org/x/crypto/ssh"

	"example.com/hale/examples/clients/explain"
	"example.com/hale/pool"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Client is an SSH client, and the connection under it.
type Client struct {
	*ssh.Client
	conn net.Conn
}

// NewPool pools SSH clients of the server at address, that is, logins. Package ssh has no
// reconnect, no heartbeat, and no time limit but for the handshake: a command on a client
// whose server has vanished waits for as long as its connection lives.
func NewPool(address string, config *ssh.ClientConfig, dial Dial, maxConns int) (*pool.Pool[*Client], error) {
	return pool.New(pool.Config[*Client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		Open: func(_ context.Context, conn net.Conn) (*Client, error) {
			c, channels, requests, err := ssh.NewClientConn(conn, address, config)
			if err != nil {
				return nil, err
			}
			return &Client{ssh.NewClient(c, channels, requests), conn}, nil
		},
		Close:      func(c *Client) error { return c.Client.Close() },
		Check:      ask,
		KeepUnread: true, // a server may speak unasked: requests, new keys
		MaxConns:   maxConns,
	})
}

// ask asks the server's SSH what it does not know: it has to say so (RFC 4254, section 4).
// sshd's own question of this kind, ClientAliveInterval, goes the other way.
func ask(_ context.Context, c *Client) error {
	_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// Output runs a command and returns what it prints. When the server is gone the error of
// package ssh is io.EOF, or an [ssh.ExitMissingError]; what the connection died of is added.
// The command may have run.
func Output(ctx context.Context, p *pool.Pool[*Client], command string) (out []byte, err error) {
	err = p.Do(ctx, func(ctx context.Context, c *Client) error {
		defer context.AfterFunc(ctx, func() { c.Client.Close() })() // package ssh knows no ctx
		session, err := c.NewSession()
		if err == nil {
			defer session.Close()
			out, err = session.Output(command)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return explain.Error(err, c.conn)
	})
	return out, err
}
