// Package smtphale shows net/smtp with hale's pool.
package smtphale

import (
	"context"
	"net"
	"net/smtp"

	"example.com/hale/pool"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// NewPool pools SMTP sessions of the server at address, which is host:port. Package smtp
// has no time limit at all: [smtp.SendMail] to a server that has vanished waits for as long
// as its connection lives.
//
// A server that ends a session that was idle for too long says so unasked (421, RFC 5321
// section 3.8): the pool sees that something is unread, and parts with the session.
func NewPool(address string, dial Dial, maxConns int) (*pool.Pool[*smtp.Client], error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return pool.New(pool.Config[*smtp.Client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		// STARTTLS and Auth of the client belong here, too.
		Open:     func(_ context.Context, conn net.Conn) (*smtp.Client, error) { return smtp.NewClient(conn, host) },
		Check:    func(_ context.Context, c *smtp.Client) error { return c.Noop() },
		Close:    (*smtp.Client).Quit,
		MaxConns: maxConns,
	})
}

// Send sends one mail. The error of a server that is gone has a *health.DeadError
// underneath; the mail is not sent again then, unless not a byte of it can have left, or
// ctx is [pool.Idempotent].
func Send(ctx context.Context, p *pool.Pool[*smtp.Client], from, to string, text []byte) error {
	return p.Do(ctx, func(ctx context.Context, c *smtp.Client) error {
		defer context.AfterFunc(ctx, func() { c.Close() })() // package smtp knows no ctx
		if err := c.Mail(from); err != nil {
			return err
		}
		if err := c.Rcpt(to); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return w.Close()
	})
}
