package smtphale

import (
	"context"
	"net"
	"net/textproto"
	"strings"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
)

// maxConns is enough for the workers of a trial.
const maxConns = 4

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "hale/pool, net/smtp", Open: open}}
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
		Request: func(ctx context.Context) error {
			return Send(ctx, p, "a@example.com", "b@example.com", []byte("Subject: hello\r\n\r\nHello.\r\n"))
		},
		Close: func() error { p.Close(); return nil },
	}, nil
}

// Server starts an SMTP server in this process that takes every mail and keeps none.
func Server(context.Context) (*service.Server, error) {
	return service.Serve("smtp", serve, nil)
}

func serve(conn net.Conn) {
	c := textproto.NewConn(conn)
	if c.PrintfLine("220 hello") != nil {
		return
	}
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		case "DATA":
			if c.PrintfLine("354 go on") != nil {
				return
			}
			if _, err := c.ReadDotLines(); err != nil {
				return
			}
		}
		if c.PrintfLine("250 ok") != nil {
			return
		}
	}
}
