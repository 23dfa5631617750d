// Package ldaphale shows go-ldap with hale's pool.
package ldaphale

import (
	"context"
	"net"

	"github.com/go-ldap/ldap/v3"

	"example.com/hale/examples/clients/explain"
	"example.com/hale/pool"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Client is an LDAP connection, and the one under it.
type Client struct {
	*ldap.Conn
	conn net.Conn
}

// NewPool pools LDAP connections to the server at address, on each of which bind has been
// called. go-ldap has no reconnect and, unless SetTimeout is called, no time limit.
// [ldap.DialURL] takes a net.Dialer and no dial function, so the connection is made
// beforehand; for ldaps, dial has to return a [crypto/tls.Conn].
func NewPool(address string, dial Dial, bind func(*ldap.Conn) error, maxConns int) (*pool.Pool[*Client], error) {
	return pool.New(pool.Config[*Client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		Open: func(_ context.Context, conn net.Conn) (*Client, error) {
			c := ldap.NewConn(conn, false)
			c.Start()
			if err := bind(c); err != nil {
				c.Close()
				return nil, explain.Error(err, conn)
			}
			return &Client{c, conn}, nil
		},
		Close: func(c *Client) error { return c.Conn.Close() },
		Check: func(_ context.Context, c *Client) error {
			_, err := c.WhoAmI(nil) // RFC 4532
			return err
		},
		KeepUnread: true, // a server may speak unasked: a notice of disconnection (RFC 4511, section 4.4.1)
		MaxConns:   maxConns,
	})
}

// Search searches. When the server is gone, the error of go-ldap is its "Network Error",
// with the text of the connection's error at best; what the connection died of is added.
func Search(ctx context.Context, p *pool.Pool[*Client], request *ldap.SearchRequest) (found *ldap.SearchResult, err error) {
	err = p.Do(ctx, func(ctx context.Context, c *Client) error {
		defer context.AfterFunc(ctx, func() { c.Conn.Close() })() // a search knows no ctx
		var err error
		found, err = c.Conn.Search(request)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return explain.Error(err, c.conn)
	})
	return found, err
}
